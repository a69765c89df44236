import json
import unittest

from judging import body_of, judge


class Judging(unittest.TestCase):
    def test_a_batch_is_one_object(self):
        body = json.loads(body_of("id-1", ["project"], [("01J/0", ["Garden"])]))
        self.assertEqual(body, {"batch": "id-1", "rows": [{"project": "Garden", "key": "01J/0"}]})

    def test_what_an_answer_means(self):
        judged = [judge(status) for status in (200, 204, 429, 503, 403, 302)]
        self.assertEqual(judged, ["delivered", "delivered", "wait", "wait", "hold", "hold"])


if __name__ == "__main__":
    unittest.main()
