"""A web process of its own: python -m tests.integration.services.api.web_process PORT"""

import sys

import django

django.setup(set_prefix=False)

from daphne.endpoints import build_endpoint_description_strings  # noqa: E402
from daphne.server import Server  # noqa: E402

from sparkcontrol.asgi import application  # noqa: E402

if __name__ == "__main__":
    endpoints = build_endpoint_description_strings(host="127.0.0.1", port=int(sys.argv[1]))
    Server(application=application, endpoints=endpoints, verbosity=0).run()
