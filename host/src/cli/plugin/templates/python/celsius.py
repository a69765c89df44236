"""What the sensor reckons, in plain Python: it can be tested without a component."""


def celsius_of(answer):
    """Twelve bits, in sixteenths of a degree. The chip measures from -55 to 150 °C."""
    if len(answer) != 2:
        return None
    celsius = (int.from_bytes(answer, "big", signed=True) >> 4) / 16
    return celsius if -55 <= celsius <= 150 else None
