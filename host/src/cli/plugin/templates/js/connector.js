// A connector: posts each batch of rows as JSON to the address in its settings.
//
// A step machine: it gets what happened and says what to do next. The host does it, once the state is safe. What is thrown is
// the contract's `error`.

const addressOf = (settings) => {
  const { url } = JSON.parse(settings);
  if (!/^https?:\/\//.test(url ?? "")) throw { tag: "invalid-settings", val: "`url` is an address with https or http" };
  return url;
};

const valueOf = (cell) => {
  if (cell.tag === "empty") return null;
  return cell.tag === "moment" || cell.tag === "estimated" ? Number(cell.val.unixMicros) : cell.val;
};

const post = (url, batch) => {
  const object = (row) => ({
    ...Object.fromEntries(batch.columns.map((column, at) => [column.key, valueOf(row.cells[at])])),
    key: row.key,
  });
  const body = JSON.stringify({ batch: batch.id, rows: batch.rows.map(object) });
  return {
    tag: "send",
    val: {
      method: "post",
      url,
      headers: [{ name: "idempotency-key", value: batch.id }],
      body: { mediaType: "application/json", bytes: new TextEncoder().encode(body) },
      // What plugins.toml configures for the sink is added, and never seen here.
      authorized: true,
      idempotent: true,
    },
  };
};

const delivered = { tag: "delivered", val: { rejected: [] } };
const wait = (advice) => ({
  tag: "wait",
  val: { milliseconds: 10_000n, problem: { headline: "can't be reached", advice } },
});
const hold = (advice) => ({
  tag: "hold",
  val: { milliseconds: 600_000n, problem: { headline: "rows are refused", advice } },
});

const next = (settings, batch, signal) => {
  switch (signal.tag) {
    // There is nothing to make ready.
    case "prepare":
    case "create-anew":
      return delivered;
    // The receiver knows a batch that it has by its id: sending it again does no harm.
    case "begin":
    case "resumed":
    case "elapsed":
    case "retry":
      return post(addressOf(settings), batch);
    case "responded": {
      const { status } = signal.val;
      if (status >= 200 && status < 300) return delivered;
      return status === 429 || status >= 500 ? wait(`it answered with status ${status}`) : hold(`status ${status}`);
    }
    case "failed":
      return ["unsent", "interrupted"].includes(signal.val.tag) ? wait(signal.val.val) : hold(signal.val.tag);
    default:
      throw { tag: "other", val: "it does not read back" };
  }
};

export const delivery = {
  check(settings, _columns) {
    addressOf(settings);
    return {
      rowsPerBatch: 100,
      bytesPerBatch: 1_000_000n,
      charactersPerCell: 10_000,
      requestsPerMinute: 60,
      readsBack: false,
    };
  },

  fingerprint(_settings, _columns, _rows) {
    throw { tag: "other", val: "it does not read back" };
  },

  step(settings, _state, batch, signal, _context) {
    return { state: new Uint8Array(), next: next(settings, batch, signal) };
  },

  listNeeds(settings) {
    return { urls: [addressOf(settings)], slots: [], authorization: false };
  },
};
