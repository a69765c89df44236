// A formatter: a row for each press, with how often its project was chosen so far.
//
// It is called with data and returns data. What it wants to remember is in the state that it returns. What is thrown is the
// contract's `error`.

const parseState = (state) => (state.length ? JSON.parse(new TextDecoder().decode(state)) : {});
const renderState = (counts) => new TextEncoder().encode(JSON.stringify(counts));

const check = (settings) => {
  const [key] = Object.keys(JSON.parse(settings));
  if (key !== undefined) throw { tag: "invalid-settings", val: `\`${key}\`: this formatter has no settings` };
};

export const rowFormat = {
  columns(settings) {
    check(settings);
    return [
      { key: "at", title: "Pressed", kind: "date-time" },
      { key: "project", title: "Project", kind: "text" },
      { key: "count", title: "Times", kind: "number" },
    ];
  },

  format(settings, state, events, _context) {
    check(settings);
    const counts = new Map(Object.entries(parseState(state)));
    let standing;
    const verdicts = events.map((event) => {
      const project = event.fields.find((field) => field.name === "project")?.value;
      if (project?.tag !== "text") return { tag: "reject", val: "it has no text in the field `project`" };
      const count = (counts.get(project.val) ?? 0) + 1;
      counts.set(project.val, count);
      standing = `${project.val}: ${count}`;
      // A moment that is a guess is marked as one.
      const at = { tag: event.certainty === "known" ? "moment" : "estimated", val: event.at };
      const cells = [at, project, { tag: "number", val: count }];
      return { tag: "accepted", val: { rows: [{ key: "", cells }], notice: standing } };
    });
    return { state: renderState(Object.fromEntries(counts)), verdicts, standing };
  },

  listFields(_settings) {
    return ["project"];
  },
};
