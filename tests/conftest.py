"""Settings that every test shares."""

from hypothesis import settings

# A shared or cold machine makes single examples slow; a time limit on them would only make tests flaky.
settings.register_profile("reir", deadline=None)
settings.load_profile("reir")
