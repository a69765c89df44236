"""What the formatter decides, in plain Python: it can be tested without a component."""


def count_presses(counts, projects):
    """The counts after these presses, and the number of each; None for a press without a project."""
    counts, numbers = dict(counts), []
    for project in projects:
        if project is None:
            numbers.append(None)
            continue
        counts[project] = counts.get(project, 0) + 1
        numbers.append(counts[project])
    return counts, numbers
