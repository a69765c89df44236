"""A connector: posts each batch of rows as JSON to the address in its settings.

A step machine: it gets what happened and says what to do next. The host does it, once the state is safe.
"""

import json

from componentize_py_types import Err
from judging import body_of, judge
from wit_world import exports
from wit_world.exports import delivery
from wit_world.imports import http, records
from wit_world.imports.types import Error_InvalidSettings, Error_Other, Needs, Problem


def address_of(settings):
    url = json.loads(settings).get("url", "")
    if not url.startswith(("https://", "http://")):
        raise Err(Error_InvalidSettings("`url` is an address with https or http"))
    return url


def value_of(cell):
    if isinstance(cell, records.Cell_Empty):
        return None
    if isinstance(cell, (records.Cell_Moment, records.Cell_Estimated)):
        return cell.value.unix_micros
    return cell.value


def post(url, batch):
    rows = [(row.key, [value_of(cell) for cell in row.cells]) for row in batch.rows]
    body = body_of(batch.id, [column.key for column in batch.columns], rows)
    return delivery.Directive_Send(
        http.Request(
            method=http.Method.POST,
            url=url,
            headers=[http.Header("idempotency-key", batch.id)],
            body=http.Content("application/json", body.encode()),
            # What plugins.toml configures for the sink is added, and never seen here.
            authorized=True,
            idempotent=True,
            timeout_ms=None,
        )
    )


def delivered():
    return delivery.Directive_Delivered(delivery.Receipt([], None))


def wait(advice):
    return delivery.Directive_Wait(delivery.Pause(10_000, Problem("can't be reached", advice)))


def hold(advice):
    return delivery.Directive_Hold(delivery.Pause(600_000, Problem("rows are refused", advice)))


def next_of(settings, batch, signal):
    match signal:
        # There is nothing to make ready.
        case delivery.Signal_Prepare() | delivery.Signal_CreateAnew():
            return delivered()
        case delivery.Signal_Responded(answer):
            verdict = judge(answer.status)
            if verdict == "delivered":
                return delivered()
            return (wait if verdict == "wait" else hold)(f"it answered with status {answer.status}")
        case delivery.Signal_Failed(http.Failure_Unsent(reason) | http.Failure_Interrupted(reason)):
            return wait(reason)
        case delivery.Signal_Failed(failure):
            return hold(repr(failure))
        case delivery.Signal_ReadBack():
            raise Err(Error_Other("it does not read back"))
        # The receiver knows a batch that it has by its id: sending it again does no harm.
        case _:
            return post(address_of(settings), batch)


class Delivery(exports.Delivery):
    def check(self, settings, columns):
        address_of(settings)
        return delivery.Limits(
            rows_per_batch=100,
            bytes_per_batch=1_000_000,
            characters_per_cell=10_000,
            requests_per_minute=60,
            reads_back=False,
        )

    def fingerprint(self, settings, columns, rows):
        raise Err(Error_Other("it does not read back"))

    def step(self, settings, state, batch, signal, context):
        return delivery.Outcome(b"", next_of(settings, batch, signal))

    def list_needs(self, settings):
        return Needs([address_of(settings)], [], False)
