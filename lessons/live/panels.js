// <mini-model>: the shipped model in the page, to be changed and asked.
//
//     <mini-model panels="edit next attribution heads lens switches"
//                 text="When Mary and John went to the shop , John gave a book to"
//                 answer="Mary" versus="John" split="heads" second="..."></mini-model>
//
//     panels   which, in this order: edit (the sentence), next (likely next words), attribution
//              (where a logit comes from), heads (attention), lens (logit lens), switches (heads set
//              to zero or to their mean over the words, or patched from a second sentence)
//     text     the sentence; answer, versus: the logit, and the one subtracted (none: the likeliest)
//     split    "parts" or "heads": what the attribution's rows are
//     timed    any value: how long a forward pass takes stands below the panels
//     second   the sentence that heads are patched from; set="L0H0:zero L1H1:patch" sets switches
//
// What the element holds before it is set up is the picture for readers without JavaScript.
"use strict"
;(() => {
  const mc = window.minicache
  const PANELS = ["edit", "next", "attribution", "heads", "lens", "switches"]
  // The panels that show something, and so have code that gives the same.
  const SHOWING = {
    next: "Likely next words",
    attribution: "Where the logit comes from",
    heads: "Where each head looks",
    lens: "What it would say, had it stopped here",
  }

  // An element with attributes (on...: a listener) and children.
  function el(tag, attributes = {}, ...children) {
    const made = document.createElement(tag)
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value)
      else if (name.startsWith("aria-")) made.setAttribute(name, String(value))
      else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value)
    }
    made.append(...children)
    return made
  }

  // New children; the focus stays on what has the same data-key.
  function refill(parent, ...children) {
    const key = parent.contains(document.activeElement) && document.activeElement.dataset.key
    parent.replaceChildren(...children)
    if (key) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus()
  }

  const percent = (share) => (share >= 0.995 ? "100%" : share < 0.005 ? "0%" : `${Math.round(share * 100)}%`)
  const signed = (value) => (value <= -0.005 ? "−" : "+") + Math.abs(value).toFixed(2)
  const quoted = (text) => JSON.stringify(text)
  const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

  class MiniModel extends HTMLElement {
    connectedCallback() {
      if (this.ready) return
      this.ready = mc.load().then((model) => this.setUp(model))
      new MutationObserver(() => this.model && this.show()).observe(document.body, {
        attributeFilter: ["data-md-color-scheme"],
      })
    }

    setUp(model) {
      this.model = model
      this.panels = (this.getAttribute("panels") ?? "edit next").split(/\s+/).filter(Boolean)
      const unknown = this.panels.find((name) => !PANELS.includes(name))
      if (unknown) throw new RangeError(`There is no panel '${unknown}': ${PANELS.join(", ")}.`)
      const id = (word) => (word ? model.toTokens(word)[1] : null)
      this.text = this.getAttribute("text") ?? "The capital of France is"
      this.second = this.getAttribute("second") ?? this.text
      this.answer = id(this.getAttribute("answer"))
      this.versus = id(this.getAttribute("versus"))
      this.split = this.getAttribute("split") ?? "parts"
      this.changes = new Map() // "L0H1" -> "zero", "mean" or "patch"
      for (const one of (this.getAttribute("set") ?? "").split(/\s+/).filter(Boolean)) {
        this.changes.set(...one.split(":"))
      }
      this.atEnd = true // the position looked at follows the sentence's end
      this.active = "L0H0" // the head whose row shades the words
      this.showing = this.panels.filter((name) => name in SHOWING)
      this.told = this.showing[0] ?? "next" // the panel that the Python code is for
      this.times = []
      this.build()
      this.setText(this.text)
      this.warm = this.warmUp()
    }

    // A browser compiles what has run often: a first run's time says little.
    async warmUp() {
      for (let run = 0; run < 30; run++) {
        await new Promise((later) => setTimeout(later))
        this.model.run(this.tokens, { cache: true })
      }
      this.times = []
      for (let run = 0; run < 5; run++) this.update()
    }

    // --- what is computed ---------------------------------------------------------------------

    // The ids of a text, or the words that the model does not know.
    read(text) {
      const words = text.split(/\s+/).filter(Boolean)
      const unknown = words.filter((word) => !this.model.ids.has(word))
      const tooMany = words.length + 1 - this.model.cfg.n_ctx
      return unknown.length || tooMany > 0 ? { unknown, tooMany } : { tokens: this.model.toTokens(text) }
    }

    setText(text) {
      this.text = text
      const { tokens, unknown, tooMany } = this.read(text)
      this.say(unknown, tooMany)
      if (!tokens) return // the last sentence that could be read stays
      this.sentence = text.trim().split(/\s+/).join(" ")
      this.tokens = tokens
      this.words = tokens.map((token) => this.model.words[token])
      if (this.atEnd || this.pos >= tokens.length) this.lookAt(tokens.length - 1)
      this.update()
    }

    lookAt(pos) {
      this.pos = this.query = pos
      this.atEnd = pos === this.tokens.length - 1
    }

    // The changes that can be made: a patch needs a second sentence of the same length.
    possible() {
      const fits = this.read(this.second).tokens?.length === this.tokens.length
      return new Map([...this.changes].filter(([, how]) => how !== "patch" || fits))
    }

    patches() {
      return [...this.made.values()].includes("patch")
    }

    hooks() {
      if (!this.made.size) return []
      const { n_heads, d_head } = this.model.cfg
      const source = this.patches()
        ? this.model.run(this.read(this.second).tokens, { cache: true }).cache : null
      const change = (z, { name }) => {
        const made = mc.tensor(z.shape, z.data.slice())
        const layer = Number(name.split(".")[1])
        const pos = z.shape[0]
        for (let head = 0; head < n_heads; head++) {
          const how = this.made.get(`L${layer}H${head}`)
          if (!how) continue
          for (let i = head * d_head; i < (head + 1) * d_head; i++) {
            let mean = 0
            for (let p = 0; p < pos; p++) mean += z.data[p * n_heads * d_head + i] / pos
            for (let p = 0; p < pos; p++) {
              const at = p * n_heads * d_head + i
              made.data[at] = how === "zero" ? 0 : how === "mean" ? mean : source.get(name).data[at]
            }
          }
        }
        return made
      }
      return [[(name) => name.endsWith("attn.hook_z"), change]]
    }

    update() {
      const start = performance.now()
      this.plain = this.model.run(this.tokens, { cache: true })
      const forward = performance.now() - start
      this.made = this.possible()
      const hooks = this.hooks()
      this.changed = hooks.length ? this.model.run(this.tokens, { cache: true, hooks }) : null
      this.now = this.changed ?? this.plain
      const computed = performance.now() - start
      this.show()
      this.times.push({ forward, computed, all: performance.now() - start })
      if (this.times.length > 31) this.times.shift()
      const ms = (name) => median(this.times.map((one) => one[name]))
      const ratio = ms("forward") / this.model.torchMs
      this.status.textContent =
        `Forward pass ${ms("forward").toFixed(1)} ms in this browser; PyTorch took at best ` +
        `${this.model.torchMs.toFixed(1)} ms where this page was built (ratio ${ratio.toFixed(1)}). ` +
        `All that this panel shows: ${ms("all").toFixed(1)} ms.`
      this.dispatchEvent(new CustomEvent("updated"))
    }

    // --- what is built once -------------------------------------------------------------------

    build() {
      this.parts = {}
      for (const name of this.panels) this.parts[name] = this[`build_${name}`]()
      this.code = el("code")
      this.copy = el("button", { type: "button", class: "mm-button", onclick: () => this.copyCode() },
        "Copy the code")
      this.toldBox = el("select", { "aria-label": "The box that the code is for",
        onchange: (event) => this.tell(event.target.value) },
        ...this.showing.map((name) => el("option", { value: name }, SHOWING[name])))
      this.status = el("p", { class: "mm-quiet", hidden: !this.hasAttribute("timed") })
      this.replaceChildren(
        ...Object.values(this.parts),
        el("details", { class: "mm-python", open: true },
          el("summary", {}, "The same in Python"),
          el("label", { class: "mm-controls" }, "for the box ", this.toldBox),
          el("pre", {}, this.code), this.copy),
        this.status)
      this.classList.add("mm-live")
    }

    panel(name, title, ...children) {
      return el("section", { class: `mm-panel mm-${name}`, "aria-label": title },
        el("p", { class: "mm-title" }, title), ...children)
    }

    build_edit() {
      this.input = el("input", {
        type: "text", value: this.text, spellcheck: "false", autocomplete: "off",
        "aria-label": "The sentence", oninput: () => this.setText(this.input.value),
      })
      this.message = el("p", { class: "mm-message", role: "status" })
      this.chips = el("div", { class: "mm-words", role: "group",
        "aria-label": "The word after which the model is asked" })
      const add = (word) => {
        this.input.value = `${this.input.value.trimEnd()} ${word}`
        this.atEnd = true
        this.setText(this.input.value)
      }
      const all = this.model.words.slice(2).map((word) =>
        el("button", { type: "button", class: "mm-word", onclick: () => add(word) }, word))
      return this.panel("edit", "Change the sentence", this.input, this.message, this.chips,
        el("details", {}, el("summary", {}, `All ${all.length} words and signs that it knows: a click adds one`),
          el("div", { class: "mm-words" }, ...all)))
    }

    build_next() {
      this.next = el("div", { class: "mm-columns" })
      return this.panel("next", SHOWING.next, this.next)
    }

    build_attribution() {
      const choose = (label, set, none) => el("select", { "aria-label": label,
        onchange: (event) => {
          set(event.target.value === "" ? null : Number(event.target.value))
          this.tell("attribution")
        } },
        el("option", { value: "" }, none),
        ...this.model.words.map((word, id) => el("option", { value: id }, word)).slice(2))
      this.answerBox = choose("The word", (id) => (this.answer = id), "the likeliest")
      this.versusBox = choose("The word that is subtracted", (id) => (this.versus = id), "nothing")
      this.splitBox = el("select", { "aria-label": "The rows",
        onchange: (event) => { this.split = event.target.value; this.tell("attribution") } },
        el("option", { value: "parts" }, "attention and MLP of each layer"),
        el("option", { value: "heads" }, "each head by itself"))
      this.splitBox.value = this.split
      this.bars = el("div")
      return this.panel("attribution", SHOWING.attribution,
        el("div", { class: "mm-controls" },
          el("label", {}, "logit of ", this.answerBox), el("label", {}, " less that of ", this.versusBox),
          el("label", {}, " by ", this.splitBox)),
        this.bars)
    }

    build_heads() {
      const { n_layers, n_heads } = this.model.cfg
      this.maps = new Map()
      for (let layer = 0; layer < n_layers; layer++) {
        for (let head = 0; head < n_heads; head++) this.maps.set(`L${layer}H${head}`, this.buildMap(`L${layer}H${head}`))
      }
      this.trace = el("div", { class: "mm-words", role: "group", "aria-label": "The word that looks" })
      return this.panel("heads", SHOWING.heads,
        el("p", { class: "mm-quiet" }, "A row for each word that looks, a column for each word looked at. ",
          "Point at a map, or at a word; arrow keys move the row."),
        this.trace,
        el("div", { class: "mm-maps" }, ...[...this.maps.values()].map(({ figure }) => figure)))
    }

    buildMap(name) {
      const move = (query) => {
        this.active = name
        this.query = Math.max(0, Math.min(this.tokens.length - 1, query))
        this.tell("heads")
      }
      const canvas = el("canvas", { width: 240, height: 240, tabindex: 0, role: "img",
        onpointermove: (event) => move(Math.floor((event.offsetY / canvas.clientHeight) * this.tokens.length)),
        onfocus: () => move(this.query),
        onkeydown: (event) => {
          const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[event.key]
          if (!step) return
          event.preventDefault()
          move(this.query + step)
        } })
      const caption = el("figcaption")
      return { canvas, caption, figure: el("figure", {}, canvas, caption) }
    }

    build_lens() {
      this.lens = el("div", { class: "mm-scroll", tabindex: 0, role: "region", "aria-label": "Logit lens" })
      return this.panel("lens", SHOWING.lens, this.lens)
    }

    build_switches() {
      const { n_layers, n_heads } = this.model.cfg
      const change = (name, how) => {
        if (how) this.changes.set(name, how)
        else this.changes.delete(name)
        this.update()
      }
      this.selects = new Map()
      for (let layer = 0; layer < n_layers; layer++) {
        for (let head = 0; head < n_heads; head++) {
          const name = `L${layer}H${head}`
          const options = [["", "as it is"], ["zero", "zero"], ["mean", "mean over words"], ["patch", "from below"]]
          this.selects.set(name, el("select", { "aria-label": `Head ${name}`,
            onchange: (event) => change(name, event.target.value) },
            ...options.map(([value, text]) => el("option", { value }, text))))
          this.selects.get(name).value = this.changes.get(name) ?? ""
        }
      }
      this.secondBox = el("input", { type: "text", value: this.second, spellcheck: "false",
        autocomplete: "off", "aria-label": "The second sentence",
        oninput: () => { this.second = this.secondBox.value; this.update() } })
      this.secondMessage = el("p", { class: "mm-message", role: "status" })
      const reset = () => {
        this.changes.clear()
        this.selects.forEach((select) => (select.value = ""))
        this.update()
      }
      return this.panel("switches", "Change what heads hand on",
        el("div", { class: "mm-switches" }, ...[...this.selects].map(([name, select]) =>
          el("label", {}, `${name} `, select))),
        el("label", { class: "mm-second" }, "a second sentence, to patch from", this.secondBox),
        this.secondMessage,
        el("button", { type: "button", class: "mm-button", onclick: reset }, "All as they were"))
    }

    // --- what is shown after each change ------------------------------------------------------

    // The reader did something in this panel: show it, and let the code say the same.
    tell(panel) {
      this.told = panel
      this.show()
    }

    show() {
      for (const name of this.panels) this[`show_${name}`]()
      const code = this.python()
      if (this.code.textContent !== code) this.code.textContent = code
      this.toldBox.value = this.told
      this.copy.textContent = "Copy the code"
    }

    say(unknown, tooMany) {
      if (!this.message) return
      const parts = []
      if (tooMany > 0) parts.push(`It reads at most ${this.model.cfg.n_ctx - 1} words: take ${tooMany} away.`)
      for (const word of (unknown ?? []).slice(0, 1)) {
        parts.push(`It does not know “${word}”. Nearest: `)
        for (const known of mc.nearest(this.model, word)) {
          const mend = () => {
            this.input.value = this.input.value.split(/(\s+)/).map((one) => (one === word ? known : one)).join("")
            this.setText(this.input.value)
            this.input.focus()
          }
          parts.push(el("button", { type: "button", class: "mm-word", onclick: mend }, known))
        }
      }
      this.message.replaceChildren(...parts)
      this.input.setAttribute("aria-invalid", parts.length > 0)
    }

    show_edit() {
      refill(this.chips, ...this.words.map((word, pos) =>
        el("button", { type: "button", class: "mm-word", "data-key": `word${pos}`,
          "aria-pressed": pos === this.pos,
          onclick: () => { this.lookAt(pos); this.show() } }, word)))
    }

    show_next() {
      const column = (title, { logits }, key) => {
        const rows = mc.topWords(this.model, logits, this.pos).map(({ id, word, logit, share }) =>
          el("tr", {},
            el("th", { scope: "row" }, el("button", { type: "button", class: "mm-word", "data-key": `${key}${word}`,
              "aria-label": `${word}: explain its logit`,
              onclick: () => this.choose(id) }, word)),
            el("td", { class: "mm-bar" }, el("span", { class: "mm-fill", style: `width:${share * 100}%` })),
            el("td", { class: "mm-number" }, percent(share)),
            el("td", { class: "mm-number mm-quiet" }, logit.toFixed(1))))
        return el("table", { class: "mm-table" }, el("caption", {}, title), el("tbody", {}, ...rows))
      }
      const after = `after “${this.words.slice(0, this.pos + 1).slice(-3).join(" ")}”`
      const columns = [column(this.changed ? `before, ${after}` : `${after}: probability, logit`, this.plain, "b")]
      if (this.changed) columns.push(column("with the heads changed", this.changed, "a"))
      refill(this.next, ...columns)
    }

    choose(id) {
      this.answer = id
      this.tell(this.parts.attribution ? "attribution" : "next")
    }

    // The token explained: the chosen one, or else the likeliest here.
    target() {
      return this.answer ?? mc.topWords(this.model, this.plain.logits, this.pos, 1)[0].id
    }

    attribution({ cache, logits }) {
      const decompose = this.split === "heads" ? mc.fullDecomposition : mc.decomposeResid
      const parts = decompose(this.model, cache, this.pos)
      const found = mc.logitAttrs(this.model, cache, parts, this.pos, this.target(), this.versus)
      const row = mc.rowOf(logits, this.pos)
      return { ...found, logit: row[this.target()] - (this.versus === null ? 0 : row[this.versus]) }
    }

    show_attribution() {
      this.answerBox.value = this.answer ?? ""
      this.versusBox.value = this.versus ?? ""
      const before = this.attribution(this.plain)
      const after = this.changed && this.attribution(this.changed)
      const shown = after ?? before
      const most = Math.max(...[...before.attrs, ...shown.attrs].map(([, value]) => Math.abs(value)), 0.01)
      const rows = shown.attrs.map(([label, value], index) => {
        const bar = (number, extra) => el("span", { class: `mm-fill ${number < 0 ? "mm-against" : ""} ${extra}`,
          style: `width:${(Math.abs(number) / most) * 50}%;${number < 0 ? "right" : "left"}:50%` })
        const was = before.attrs[index][1]
        return el("tr", {}, el("th", { scope: "row" }, label),
          el("td", { class: "mm-bar mm-both" }, ...(after ? [bar(was, "mm-before")] : []), bar(value, "")),
          el("td", { class: "mm-number" }, signed(value)),
          ...(after ? [el("td", { class: "mm-number mm-quiet" }, signed(was))] : []))
      })
      const word = this.model.words[this.target()]
      const name = `logit of ${word}` + (this.versus === null ? "" : ` less ${this.model.words[this.versus]}`)
      const sum = shown.attrs.reduce((total, [, value]) => total + value, 0)
      refill(this.bars,
        el("table", { class: "mm-table" }, el("caption", {}, after ? `${name}: with the heads changed, and before` : name),
          el("tbody", {}, ...rows)),
        el("p", { class: "mm-quiet" },
          `parts ${signed(sum)}, constant ${signed(shown.constant)}: together ${signed(sum + shown.constant)}. `,
          `The model’s own: ${signed(shown.logit)}.`))
    }

    show_heads() {
      const colour = getComputedStyle(this)
      const ink = colour.getPropertyValue("--mc-for"), line = colour.getPropertyValue("--md-accent-fg-color")
      const size = this.tokens.length
      for (const [name, { canvas, caption }] of this.maps) {
        const rows = this.pattern(name)
        const brush = canvas.getContext("2d"), cell = canvas.width / size
        brush.clearRect(0, 0, canvas.width, canvas.height)
        brush.fillStyle = ink
        for (let query = 0; query < size; query++) {
          for (let key = 0; key <= query; key++) {
            brush.globalAlpha = rows(query)[key]
            brush.fillRect(key * cell, query * cell, cell, cell)
          }
        }
        brush.globalAlpha = 1
        brush.strokeStyle = line
        brush.lineWidth = 3
        brush.strokeRect(1.5, this.query * cell + 1.5, canvas.width - 3, Math.max(cell - 3, 3))
        const row = rows(this.query)
        const most = row.indexOf(Math.max(...row))
        const said = `${this.words[this.query]} → ${this.words[most]} ${percent(row[most])}`
        caption.replaceChildren(el("b", {}, name), ` ${said}`)
        canvas.setAttribute("aria-label", `Head ${name}: ${said}`)
        canvas.parentElement.classList.toggle("mm-active", name === this.active)
      }
      const weights = this.pattern(this.active)(this.query)
      const look = (pos) => { this.query = pos; this.tell("heads") }
      const same = this.trace.children.length === size
        && this.words.every((word, pos) => this.trace.children[pos].textContent === word)
      if (!same) {
        refill(this.trace, ...this.words.map((word, pos) =>
          el("button", { type: "button", class: "mm-word", "data-key": `trace${pos}`,
            onpointerenter: () => look(pos), onfocus: () => look(pos), onclick: () => look(pos) }, word)))
      }
      weights.forEach((weight, pos) => {
        const chip = this.trace.children[pos]
        chip.style.setProperty("--mm-weight", `${Math.round(weight * 60)}%`)
        chip.setAttribute("aria-pressed", pos === this.query)
      })
    }

    pattern(name) {
      const [, layer, head] = name.match(/L(\d+)H(\d+)/)
      const { data } = this.now.cache.get(`blocks.${layer}.attn.hook_pattern`)
      const size = this.tokens.length
      return (query) => data.subarray((head * size + query) * size, (head * size + query + 1) * size)
    }

    show_lens() {
      const cells = mc.logitLens(this.model, this.now.cache).map(([label, logits]) =>
        el("tr", {}, el("th", { scope: "row" }, label), ...this.words.map((_, pos) => {
          const [{ word, share }] = mc.topWords(this.model, logits, pos, 1)
          return el("td", { style: `--mm-weight:${Math.round(share * 55)}%`,
            class: pos === this.pos ? "mm-here" : "" }, `${word} `, el("small", {}, percent(share)))
        })))
      this.lens.replaceChildren(el("table", { class: "mm-table" },
        el("caption", {}, this.changed ? "with the heads changed" : "the likeliest next word, by place in the stream and position"),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "place"),
          ...this.words.map((word) => el("th", { scope: "col" }, word)))),
        el("tbody", {}, ...cells)))
    }

    show_switches() {
      if (![...this.changes.values()].includes("patch")) return this.secondMessage.replaceChildren()
      const { tokens, unknown } = this.read(this.second)
      this.secondMessage.textContent = unknown?.length ? `It does not know “${unknown[0]}”; nothing is patched.`
        : tokens?.length !== this.tokens.length
          ? `It needs as many words as the sentence, ${this.tokens.length - 1}; nothing is patched.` : ""
    }

    // --- the same in Python -------------------------------------------------------------------

    python() {
      const at = this.atEnd ? -1 : this.pos
      const lines = ["import minicache", "", "model = minicache.HookedTransformer.from_pretrained()",
        `sentence = ${quoted(this.sentence)}`]
      lines.push(...(this.changed ? this.pythonOfChanges() : ["logits, cache = model.run_with_cache(sentence)"]))
      const names = [this.target(), this.versus].filter((id) => id !== null).map((id) => quoted(this.model.words[id]))
      const told = {
        next: [`shares, ids = logits[0, ${at}].softmax(-1).topk(5)`,
          "[(model.to_string(word.reshape(1)), share.item()) for share, word in zip(shares, ids)]"],
        attribution: [
          this.split === "heads"
            ? `parts, labels = cache.get_full_resid_decomposition(\n    expand_neurons=False, pos_slice=${at}, return_labels=True\n)`
            : `parts, labels = cache.decompose_resid(pos_slice=${at}, return_labels=True)`,
          `attrs = cache.logit_attrs(parts, ${names.join(", ")}, pos_slice=${at})[:, 0]`,
          `constant = cache.logit_constant(${names.join(", ")}, pos_slice=${at})[0]`,
          "dict(zip(labels, attrs.tolist()))"],
        heads: [`query = ${this.query}  # ${this.words[this.query]}`,
          `pattern = cache["pattern", ${this.active[1]}][0, ${this.active[3]}, query]`,
          "dict(enumerate(zip(model.to_str_tokens(sentence), pattern.tolist())))"],
        lens: ["states, places = cache.accumulated_resid(incl_mid=True, apply_ln=True, return_labels=True)",
          "lens = states[:, 0] @ model.W_U + model.b_U  # place, position, word",
          `dict(zip(places, model.to_string(lens[:, ${at}].argmax(-1)).split()))`],
      }
      return [...lines, "", ...told[this.told], ""].join("\n")
    }

    pythonOfChanges() {
      const lines = this.patches() ? [`_, other = model.run_with_cache(${quoted(this.second.trim().split(/\s+/).join(" "))})`] : []
      lines.push("", "def change(z, hook):", "    z = z.clone()")
      for (const [name, how] of [...this.made].sort()) {
        const [layer, head] = [name[1], name[3]]
        const made = { zero: "0", mean: `z[:, :, ${head}].mean(1, keepdim=True)`,
          patch: `other["z", ${layer}][:, :, ${head}]` }[how]
        lines.push(`    if hook.layer() == ${layer}:`, `        z[:, :, ${head}] = ${made}`)
      }
      return [...lines, "    return z", "",
        'with model.hooks(fwd_hooks=[(lambda name: name.endswith("hook_z"), change)]):',
        "    logits, cache = model.run_with_cache(sentence)"]
    }

    async copyCode() {
      try {
        await navigator.clipboard.writeText(this.code.textContent)
        this.copy.textContent = "Copied"
      } catch { // not allowed here: select it, so that the keyboard's own command copies it
        getSelection().selectAllChildren(this.code)
        this.copy.textContent = "Selected: press Ctrl+C"
      }
    }
  }

  customElements.define("mini-model", MiniModel)
})()
