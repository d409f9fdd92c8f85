"""Settings of all tests."""

from hypothesis import settings

# No deadline: a busy machine is no bug. Derandomised: what passes here passes there.
settings.register_profile("cmivae", deadline=None, derandomize=True)
settings.load_profile("cmivae")
