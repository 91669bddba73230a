"""A dispatcher of its own, to be killed: python -m tests.integration.services.webhooks.dispatcher_process"""

import django

django.setup(set_prefix=False)

from services.webhooks.dispatcher import Dispatcher  # noqa: E402

if __name__ == "__main__":
    print("ready", flush=True)
    Dispatcher().run()
