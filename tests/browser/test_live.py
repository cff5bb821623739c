"""The live model in the page: that it is the model, and that everybody can use it."""

from __future__ import annotations

import base64
import contextlib
import io
import random
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

import minicache
from minicache.cli import corpus

MARY = "When Mary and John went to the shop , John gave a book to"
# Runs tokens in the page: every activation, in the order of the run, as float32 in base64.
RUN = """async (prompts) => {
  const model = await minicache.load()
  const text = (data) => {
    const bytes = new Uint8Array(Float32Array.from(data).buffer)
    return btoa([...bytes].map((byte) => String.fromCharCode(byte)).join(""))
  }
  return prompts.map((tokens) => [...model.run(tokens, { cache: true }).cache].map(
    ([name, { shape, data }]) => [name, shape, text(data)]))
}"""


@pytest.fixture(scope="module")
def model():
    return minicache.HookedTransformer.from_pretrained()


def live(opened, path, panels=None, **options):
    """A page whose live model has been set up, and the element."""
    page, _, complaints = opened(path, **options)
    element = page.locator("mini-model").first
    element.evaluate("element => element.ready")
    if panels:  # another choice of panels than the page's own
        element.evaluate(
            "(old, [panels, text]) => {"
            "  const made = document.createElement('mini-model')"
            "; made.setAttribute('panels', panels); made.setAttribute('text', text)"
            "; made.setAttribute('answer', 'Mary'); made.setAttribute('versus', 'John')"
            "; old.replaceWith(made); return made.ready }",
            [panels, MARY],
        )
    assert complaints == []
    return page, page.locator("mini-model").first


ALL = "edit next attribution heads lens switches"


def prompts():
    """200 texts: what the model was trained on, and words at random."""
    made, ids = [], {word: index for index, word in enumerate(corpus.VOCABULARY)}
    for seed in range(200):
        draw = random.Random(seed)
        length = draw.randint(1, 24)
        if seed % 4:
            made.append([1, *(ids[word] for word in corpus.row(draw, 24)[:length])])
        else:
            made.append([1, *(draw.randrange(2, len(ids)) for _ in range(length))])
    return made


def test_every_activation_is_pythons_on_200_prompts(opened, model):
    """Within 1e-4 of the model in double precision, and as near to float32 as that is itself."""
    page, _ = live(opened, "index.html")
    exact = minicache.HookedTransformer.from_pretrained().double()
    texts = prompts()
    for start in range(0, len(texts), 20):
        for tokens, found in zip(
            texts[start : start + 20], page.evaluate(RUN, texts[start : start + 20]), strict=True
        ):
            with torch.no_grad():
                _, wide = exact.run_with_cache(torch.tensor([tokens]))
                _, single = model.run_with_cache(torch.tensor([tokens]))
            assert [name for name, _, _ in found] == list(wide)
            for name, shape, text in found:
                ours = torch.from_numpy(np.frombuffer(base64.b64decode(text), "<f4").copy())
                ours = ours.reshape(shape).double()
                torch.testing.assert_close(ours, wide[name][0], rtol=1e-6, atol=1e-4)
                finite = wide[name][0][wide[name][0].isfinite()]
                near = 1e-4 * max(1.0, finite.abs().max().item() / 10)
                torch.testing.assert_close(ours, single[name][0].double(), rtol=0, atol=near)


def test_hooks_change_a_run_as_in_python(opened, model):
    page, _ = live(opened, "index.html")
    tokens = model.to_tokens(MARY)[0].tolist()
    found = page.evaluate(
        """async (tokens) => {
          const model = await minicache.load(), seen = []
          const halve = (value) => minicache.tensor(value.shape, value.data.map((x) => x / 2))
          const hooks = [["blocks.1.attn.hook_z", halve], [(name) => name.startsWith("blocks.2"),
            (value, hook) => { seen.push(hook.name) }]]
          const { logits } = model.run(tokens, { hooks })
          const plain = model.run(tokens)
          const said = []
          for (const bad of [[["blocks.9.hook_z", halve]],
                             [["hook_embed", () => minicache.tensor([1])]]]) {
            try { model.run(tokens, { hooks: bad }) } catch (error) { said.push(error.message) }
          }
          return [[...logits.data], seen.length, plain.cache.size, said]
        }""",
        tokens,
    )
    with torch.no_grad():
        halved = model.run_with_hooks(
            MARY, fwd_hooks=[("blocks.1.attn.hook_z", lambda z, hook: z / 2)]
        )
    torch.testing.assert_close(torch.tensor(found[0]), halved.flatten(), rtol=0, atol=1e-4)
    assert found[1] == sum(name.startswith("blocks.2") for name in model.hook_dict)
    assert found[2] == 0
    assert "blocks.9.hook_z" in found[3][0]
    assert "hook_embed" in found[3][1]


def python_of(element):
    """What the page's Python code gives: the value of its last line."""
    code = element.locator(".mm-python code").text_content().rstrip()
    *before, last = code.split("\n")
    space = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec("\n".join(before), space)
        return eval(last, space)


def rows(element, panel):
    """The table of a panel, as a list of rows of texts."""
    return element.locator(f".mm-{panel} table").last.evaluate(
        "table => [...table.tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent.trim()))"
    )


def number(text):
    return float(text.replace("−", "-"))


@pytest.mark.parametrize("change", ["", "zero", "mean", "patch"])
def test_the_code_beside_a_panel_gives_what_the_panel_shows(opened, change):
    _, element = live(opened, "index.html", panels=ALL)
    element.locator(".mm-second input").fill(MARY.replace("John gave", "Mary gave"))
    if change:
        element.get_by_label("Head L1H1", exact=True).select_option(change)
        element.get_by_label("Head L0H0", exact=True).select_option(change)
    element.locator(".mm-edit .mm-words button").nth(8).click()
    element.locator(".mm-edit .mm-words button").nth(14).click()

    element.get_by_label("The rows", exact=True).select_option("heads")
    attrs = python_of(element)
    shown = {row[0]: number(row[2]) for row in rows(element, "attribution")}
    assert shown == pytest.approx(attrs, abs=0.006)

    element.get_by_label("The rows", exact=True).select_option("parts")
    attrs = python_of(element)
    shown = {row[0]: number(row[2]) for row in rows(element, "attribution")}
    assert shown == pytest.approx(attrs, abs=0.006)

    element.locator(".mm-switches .mm-button").focus()
    element.get_by_label("Head L2H1", exact=True).select_option(change)
    element.get_by_label("The box that the code is for", exact=True).select_option("next")
    best = python_of(element)
    shown = [(row[0], row[2]) for row in rows(element, "next")]
    assert [word for word, _ in shown] == [word for word, _ in best]
    assert all(
        abs(int(s.strip("%")) - 100 * share) <= 1
        for (_, s), (_, share) in zip(shown, best, strict=True)
    )

    element.locator(".mm-maps canvas").nth(3).focus()
    element.locator(".mm-maps canvas").nth(3).press("ArrowUp")
    looks = python_of(element)
    caption = element.locator(".mm-maps figcaption").nth(3).text_content()
    word, weight = max(looks.values(), key=lambda pair: pair[1])
    assert f"→ {word} {round(100 * weight)}%" in caption


def test_the_logit_lens_is_pythons(opened, model):
    _, element = live(opened, "index.html", panels=ALL)
    _, cache = model.run_with_cache(MARY)
    states, places = cache.accumulated_resid(incl_mid=True, apply_ln=True, return_labels=True)
    best = (states[:, 0] @ model.W_U + model.b_U).argmax(-1)
    for row, place, ids in zip(rows(element, "lens"), places, best, strict=True):
        assert row[0] == place
        assert [cell.split()[0] for cell in row[1:]] == [model.tokenizer.words[i] for i in ids]


def test_a_sentence_can_be_changed_and_an_unknown_word_mended(opened):
    page, element = live(opened, "index.html")
    box = element.get_by_label("The sentence", exact=True)
    box.fill("The capital of Frence is")
    message = element.locator(".mm-message").first
    assert "Frence" in message.text_content()
    assert box.get_attribute("aria-invalid") == "true"
    assert rows(element, "next")[0][0] == "Mary"  # the last sentence that could be read stays
    message.get_by_role("button", name="France").click()
    assert box.input_value() == "The capital of France is"
    assert rows(element, "next")[0][0] == "Paris"
    assert message.text_content() == ""
    box.fill("the " * 60)
    assert "at most 47 words" in message.text_content()
    box.fill("")  # nothing but <bos> is a sentence too
    assert element.locator(".mm-edit .mm-words").first.locator("button").count() == 1
    page.keyboard.type("In France people speak")
    assert rows(element, "next")[0][0] == "French"


def test_a_silenced_head_changes_the_answer_and_back_again(opened):
    _, element = live(opened, "02_hook_points.html")
    tables = element.locator(".mm-next table")
    assert tables.count() == 2  # before, and with the heads of block 0 at zero
    assert tables.first.locator("button").first.text_content() == "Paris"
    assert tables.last.locator("button").first.text_content() != "Paris"
    assert "z[:, :, 1] = 0" in element.locator(".mm-python code").text_content()
    element.get_by_text("All as they were").click()
    assert tables.count() == 1
    assert "change" not in element.locator(".mm-python code").text_content()


def test_the_code_names_its_box_and_stays_with_it_when_heads_are_changed(opened):
    _, element = live(opened, "06_not_a_cause.html")
    box = element.get_by_label("The box that the code is for", exact=True)
    code = element.locator(".mm-python code")
    assert box.input_value() == "attribution"
    element.get_by_label("Head L0H1", exact=True).select_option("mean")
    assert box.input_value() == "attribution"
    shown = {row[0]: number(row[2]) for row in rows(element, "attribution")}
    assert shown == pytest.approx(python_of(element), abs=0.006)
    box.select_option("next")
    assert "topk" in code.text_content()
    assert [row[0] for row in rows(element, "next")] == [word for word, _ in python_of(element)]
    element.get_by_label("The rows", exact=True).select_option("parts")
    assert box.input_value() == "attribution"


def test_a_patch_needs_a_sentence_of_the_same_length(opened):
    _, element = live(opened, "index.html", panels=ALL)
    second = element.locator(".mm-second input")
    second.fill("The capital of Spain is")
    element.get_by_label("Head L1H0", exact=True).select_option("patch")
    assert "as many words" in element.locator(".mm-switches .mm-message").text_content()
    assert element.locator(".mm-next table").count() == 1  # nothing is changed, nor said to be
    assert "change" not in element.locator(".mm-python code").text_content()
    element.get_by_label("Head L2H0", exact=True).select_option("zero")  # this can be done
    code = element.locator(".mm-python code").text_content()
    assert "z[:, :, 0] = 0" in code
    assert "other" not in code
    for name in ("L1H0", "L1H1", "L2H0", "L2H1", "L0H0", "L0H1"):
        element.get_by_label(f"Head {name}", exact=True).select_option("patch")
    second.fill(MARY.replace("John gave", "Mary gave"))
    assert element.locator(".mm-switches .mm-message").text_content() == ""
    assert element.locator(".mm-next table").last.locator("button").first.text_content() == "John"


def test_the_panels_can_be_used_from_the_keyboard(opened):
    page, element = live(opened, "index.html")
    element.get_by_label("The sentence", exact=True).focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "<bos>"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the focus stays on the word, which is now the one asked after
    assert page.evaluate("document.activeElement.textContent") == "When"
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    canvas = element.locator(".mm-maps canvas").nth(4)
    canvas.focus()
    page.keyboard.press("ArrowDown")
    assert "L2H0: Mary →" in canvas.get_attribute("aria-label")


def test_the_word_under_the_pointer_is_traced_in_every_head(opened):
    _, element = live(opened, "index.html")
    element.locator(".mm-heads .mm-words button").nth(3).hover()
    captions = element.locator(".mm-maps figcaption").all_text_contents()
    assert len(captions) == 6
    assert all(" and → " in caption for caption in captions)
    canvas = element.locator(".mm-maps canvas").nth(2)
    size = canvas.bounding_box()
    canvas.hover(position={"x": 20, "y": size["height"] * 5.5 / 15})
    assert " went → " in element.locator(".mm-maps figcaption").nth(2).text_content()


def test_maps_take_the_dark_pages_colours_when_it_turns_dark(opened):
    page, element = live(opened, "index.html")
    pixel = (
        "canvas => [...canvas.getContext('2d').getImageData(4, 4, 1, 1).data].slice(0, 3).join()"
    )
    light = element.locator("canvas").first.evaluate(pixel)
    page.locator("[data-md-component=palette] label:not([hidden])").first.click()
    page.wait_for_function("document.body.dataset.mdColorScheme === 'slate'")
    page.wait_for_timeout(100)
    assert element.locator("canvas").first.evaluate(pixel) != light


@pytest.mark.parametrize("size", ["wide", "narrow"])
@pytest.mark.parametrize("path", ["index.html", "02_hook_points.html", "05_logits.html"])
def test_every_target_has_24_pixels_and_a_name(opened, path, size):
    page, _ = live(opened, path, size=size)
    small = page.evaluate(
        """() => [...document.querySelectorAll(
            "article button, article select, article input, article summary, article canvas")]
          .filter((e) => e.getClientRects().length)
          .map((e) => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
          .filter(([, { width, height }]) => width < 24 || height < 24)"""
    )
    assert small == []
    nameless = page.locator("article :is(canvas, select, input):not([aria-label])").count()
    assert nameless == 0


@pytest.mark.parametrize("path", ["index.html", "02_hook_points.html"])
def test_without_javascript_there_is_a_picture(opened, path):
    page, _, _ = opened(path, java_script_enabled=False)
    picture = page.locator("mini-model > figure svg")
    assert picture.is_visible()
    assert "the model expects" in page.locator("mini-model figcaption").text_content()
    assert (
        page.locator(".guess details").count() == 0
        or page.locator(".guess details summary").first.is_visible()
    )


def test_it_works_from_a_disk_and_so_does_the_search(opened, folder):
    start = Path(folder).resolve().as_uri() + "/"
    page, asked, complaints = opened("index.html", start=start)
    page.locator("mini-model").first.evaluate("element => element.ready")
    element = page.locator("mini-model").first
    element.get_by_label("The sentence", exact=True).fill("The capital of Japan is")
    assert rows(element, "next")[0][0] == "Tokyo"
    page.locator("input.md-search__input").click()
    page.keyboard.type("decompose_resid")
    page.wait_for_selector(".md-search-result__item")
    page.locator(".md-search-result__link").first.click()
    page.wait_for_load_state()
    assert page.url.startswith(start)
    assert all(url.startswith((start, "data:", "blob:")) for url in asked)
    assert complaints == []


def test_an_edit_is_answered_within_a_frame(opened):
    """Compute only, the median of 30 edits in the browser."""
    _, element = live(opened, "index.html")
    element.evaluate("async (element) => { await element.warm; element.times = [] }")
    for index in range(30):
        city = ("France", "Spain", "Italy")[index % 3]
        element.get_by_label("The sentence", exact=True).fill(
            f"When Mary and John went to the shop , John gave a book to Mary . In {city}"
        )
    times = element.evaluate("element => element.times.map(one => one.computed)")
    assert len(times) == 30
    assert statistics.median(times) < 16
    said = element.locator(".mm-live > .mm-quiet, .mm-quiet").last.text_content()
    assert "PyTorch took" in said
    assert "ratio" in said


def test_the_model_and_its_panels_weigh_less_than_a_megabyte(folder):
    files = [file for file in (Path(folder) / "live").iterdir() if file.name != "iframe-worker.js"]
    assert {"model.js", "weights.js", "panels.js"} <= {file.name for file in files}
    assert sum(file.stat().st_size for file in files) <= 1_000_000


def test_nothing_moves_where_less_motion_is_wanted(opened):
    page, _ = live(opened, "index.html", reduced_motion="reduce")
    moving = page.evaluate(
        """() => [...document.querySelectorAll("article *")].filter((e) => {
          const { transitionDuration, transitionProperty, animationName } = getComputedStyle(e)
          return animationName !== "none"
            || (transitionProperty !== "none" && parseFloat(transitionDuration) > 0)
        }).length"""
    )
    assert moving == 0


def test_a_guess_opens_its_result_and_remembers_the_choice(opened):
    page, _, _ = opened("02_hook_points.html")
    guess = page.locator(".guess").first
    answers, result = guess.locator("li button"), guess.locator("details")
    assert not result.is_visible()
    answers.nth(1).click()
    assert result.is_visible()
    answers.nth(0).press("Enter")
    pressed = answers.evaluate_all("all => all.map(b => b.getAttribute('aria-pressed'))")
    assert pressed == ["true", *["false"] * (len(pressed) - 1)]


def test_a_term_has_its_meaning_and_leads_to_the_glossary(opened):
    page, _, _ = opened("05_logits.html")
    term = page.locator("a.term").first
    word = term.text_content()
    assert len(term.get_attribute("title")) > 20
    term.click()
    page.wait_for_load_state()
    assert "glossary.html#" in page.url
    shown = page.locator(f"[id='{page.url.partition('#')[2]}']").text_content()
    assert shown.lower().rstrip("s") == word.lower().rstrip("s")
