"""What the connector decides, in plain Python: it can be tested without a component."""

import json


def body_of(batch, keys, rows):
    objects = [{**dict(zip(keys, cells)), "key": key} for key, cells in rows]
    return json.dumps({"batch": batch, "rows": objects})


def judge(status):
    if 200 <= status < 300:
        return "delivered"
    return "wait" if status == 429 or status >= 500 else "hold"
