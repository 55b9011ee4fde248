"""examples/tour.ipynb: it runs, and gives what stands in it."""

import pytest

pytestmark = pytest.mark.notebook


@pytest.fixture(scope="module")
def kept():
    import nbformat

    import tour

    return nbformat.read(tour.TOUR, as_version=4)


@pytest.fixture(scope="module")
def made(kept):
    import tour

    return tour.executed(kept)


def texts(notebook):
    """What the outputs of all cells say."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            yield output.get("text", "")
            yield from output.get("data", {}).values()


def test_nothing_stands_in_it_that_should_not(kept):
    import tour

    assert tour.unfit(kept) == []


def test_it_runs_and_its_outputs_are_of_the_same_kinds(kept, made):
    import tour

    assert tour.unfit(made) == []
    assert tour.kinds(made) == tour.kinds(kept)
    assert {"execute_result text/html text/plain", "stdout"} <= {
        kind for each in tour.kinds(made) for kind in each
    }


@pytest.mark.parametrize(
    "said",
    [
        "47 nodes: 47 captured",
        "layer.0.attention.query (captured)",
        "<Selection: 5 of 47 nodes>",
        "852 k MACs",
        "takes layer_norm  0",
        "100.0 % attributed",
        "an error first arises in layer.1.attention.output",
        "1 difference in 1 of 27 module calls",
    ],
)
def test_its_statements_hold(said, kept, made):
    assert any(said in text for text in texts(kept))
    assert any(said in text for text in texts(made))


def test_a_machine_in_it_would_be_found(made):
    import nbformat

    import tour

    for output, found in [
        (nbformat.v4.new_output("stream", name="stdout", text=tour.sys.prefix), "it tells of "),
        (nbformat.v4.new_output("stream", name="stderr", text="x"), "a cell ends in stderr"),
        (nbformat.v4.new_output("error", ename="E", evalue="e"), "a cell ends in error"),
        (nbformat.v4.new_output("stream", name="stdout", text="x" * tour.MOST), "it has "),
    ]:
        spoilt = nbformat.from_dict({**made, "cells": [*made.cells, nbformat.v4.new_code_cell()]})
        spoilt.cells[-1].outputs = [output]
        assert [each.startswith(found) for each in tour.unfit(spoilt)] == [True]
