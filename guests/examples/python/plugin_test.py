import unittest

from counting import count_presses


class Counting(unittest.TestCase):
    def test_each_press_has_its_number_also_in_the_next_call(self):
        counts, numbers = count_presses({}, ["Garden", "Shed", None])
        self.assertEqual(numbers, [1, 1, None])
        self.assertEqual(count_presses(counts, ["Garden"]), ({"Garden": 2, "Shed": 1}, [2]))


if __name__ == "__main__":
    unittest.main()
