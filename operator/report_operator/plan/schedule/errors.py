"""What is wrong with a schedule that the API server has let pass."""


class ScheduleError(ValueError):
    """A schedule that cannot be followed; the text names the field, the value and the way out."""
