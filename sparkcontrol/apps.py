from django.apps import AppConfig

from sparkcontrol import celery, checks

__all__ = ["SparkControlConfig", "celery", "checks"]  # imported for what they register


class SparkControlConfig(AppConfig):
    name = "sparkcontrol"
    verbose_name = "Spark Control"
