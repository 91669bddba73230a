"""Work that comes round, done by one process at a time: a row says when it is due, a conditional UPDATE who does it."""

from datetime import datetime, timedelta

from django.db import models

CLAIM = timedelta(seconds=60)  # a process that dies in the middle delays the chore by this


class Chore(models.Model):
    name = models.CharField(max_length=40, unique=True)
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}, due at {self.due_at}"


def claim(name: str, now: datetime) -> bool:
    """True for one of all who ask, when it is due."""
    due = Chore.objects.filter(name=name, due_at__lte=now)
    if due.update(due_at=now + CLAIM):
        return True
    if Chore.objects.filter(name=name).exists():
        return False
    Chore.objects.get_or_create(name=name, defaults={"due_at": now})
    return due.update(due_at=now + CLAIM) == 1


def come_again(name: str, at: datetime) -> None:
    """For whoever claimed it: done, or not yet done; the next turn is `at`."""
    Chore.objects.filter(name=name).update(due_at=at)
