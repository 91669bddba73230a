from tests.simulated_slot import home, models, slot, sparks, swap_to

__all__ = ["home", "models", "slot", "sparks", "swap_to"]
