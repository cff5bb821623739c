"""What exercise 11 shows: every term once, in the order of its label, and that they sum up."""

from exercises.grader.kit import points, run

TITLE = "the stream as a sum of parts"
LESSON = "lesson 4, decompose_resid"
AXES = "component batch pos d_model"


@points(2)
def test_the_parts_of_the_whole_stream(answer, see):
    _, _, _, cache = run()
    see("decompose_resid(cache, 2)[1]", lambda: answer.decompose_resid(cache, 2)[1])
    see("decompose_resid(cache, 2)[0]", lambda: answer.decompose_resid(cache, 2)[0], AXES)


def test_the_parts_before_a_layer(answer, see):
    _, _, _, cache = run()
    for layer in (1, 0):
        label = f"decompose_resid(cache, {layer})"
        see(f"{label}[1]", lambda n=layer: answer.decompose_resid(cache, n)[1])
        see(f"{label}[0]", lambda n=layer: answer.decompose_resid(cache, n)[0], AXES)


def test_the_place_before_an_mlp(answer, see):
    _, _, _, cache = run()
    for layer in (1, 0):
        label = f"decompose_resid(cache, {layer}, mlp_input=True)"
        see(f"{label}[1]", lambda n=layer: answer.decompose_resid(cache, n, True)[1])
        see(
            f"{label}[0].sum(0)",
            lambda n=layer: answer.decompose_resid(cache, n, True)[0].sum(0),
            "batch pos d_model",
        )


def test_labels_name_their_rows(answer, see):
    _, _, _, cache = run()

    def by_label(name):
        stack, labels = answer.decompose_resid(cache, 2)
        return stack[list(labels).index(name)]

    for name in ("embed", "0_mlp_out", "1_attn_out"):
        see(f"the row called {name!r}", lambda name=name: by_label(name), "batch pos d_model")
