import unittest

from celsius import celsius_of


class Celsius(unittest.TestCase):
    def test_two_bytes_are_a_temperature_below_and_above_zero(self):
        self.assertEqual(celsius_of(bytes([0x19, 0x00])), 25.0)
        self.assertEqual(celsius_of(bytes([0xE7, 0x00])), -25.0)
        self.assertIsNone(celsius_of(bytes([0x80, 0x00])))
        self.assertIsNone(celsius_of(bytes([0x19])))


if __name__ == "__main__":
    unittest.main()
