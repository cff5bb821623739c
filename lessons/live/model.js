// The shipped transformer in JavaScript, with hook points of the same names as in Python.
//
//     const model = await minicache.load()
//     const tokens = model.toTokens("The capital of France is")
//     const { logits, cache } = model.run(tokens, { cache: true })
//     cache.get("blocks.1.attn.hook_pattern").shape            // [head, query, key]
//     model.run(tokens, { hooks: [["blocks.0.attn.hook_z", (z) => zeros(z.shape)]] })
//
// A tensor is { data, shape }. One text is run at a time, so there is no batch axis: what is
// [1, pos, head, d_head] in Python is [pos, head, d_head] here. Weights are Python's, bit for bit;
// sums are made in double precision, which is what JavaScript has.
"use strict"
;(() => {
  const tensor = (shape, data) => ({
    shape,
    data: data ?? new Float64Array(shape.reduce((size, axis) => size * axis, 1)),
  })

  // out += x @ W, for `rows` rows of x. A row of x, of W and of out starts `at` and the next one
  // comes `step` later, so that the heads of one tensor can be read and written in place.
  // Four rows of W are taken at a time: that halves the time, and changes nothing else.
  function addProduct(out, x, W, { rows, inner, cols, x: from, W: matrix, out: to }) {
    for (let row = 0; row < rows; row++) {
      const outAt = to.at + row * to.step
      const xAt = from.at + row * from.step
      for (let k = 0; k < inner; k += 4) {
        const left = inner - k
        const x0 = x[xAt + k]
        const x1 = left > 1 ? x[xAt + k + 1] : 0
        const x2 = left > 2 ? x[xAt + k + 2] : 0
        const x3 = left > 3 ? x[xAt + k + 3] : 0
        const w0 = matrix.at + k * matrix.step
        const w1 = left > 1 ? w0 + matrix.step : w0
        const w2 = left > 2 ? w1 + matrix.step : w0
        const w3 = left > 3 ? w2 + matrix.step : w0
        for (let col = 0; col < cols; col++) {
          out[outAt + col] +=
            x0 * W[w0 + col] + x1 * W[w1 + col] + x2 * W[w2 + col] + x3 * W[w3 + col]
        }
      }
    }
  }

  // x @ W + b, for x [pos, inner] and W [inner, cols].
  function linear(x, W, b, cols) {
    const [rows, inner] = x.shape
    const out = tensor([rows, cols])
    for (let row = 0; row < rows; row++) out.data.set(b, row * cols)
    addProduct(out.data, x.data, W, {
      rows, inner, cols,
      x: { at: 0, step: inner }, W: { at: 0, step: cols }, out: { at: 0, step: cols },
    })
    return out
  }

  function add(a, b) {
    const out = tensor(a.shape)
    for (let i = 0; i < out.data.length; i++) out.data[i] = a.data[i] + b.data[i]
    return out
  }

  // x / 2 * (1 + tanh(u)), written with one exponential.
  const geluNew = (x) =>
    x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))

  function softmax(row) {
    const most = row.reduce((a, b) => Math.max(a, b), -Infinity)
    const exponentials = row.map((score) => Math.exp(score - most))
    const total = exponentials.reduce((a, b) => a + b, 0)
    return exponentials.map((value) => value / total)
  }

  class Model {
    constructor({ cfg, words, weights }) {
      this.cfg = cfg
      this.words = words
      this.weights = weights // name -> Float64Array, named as in Python: "blocks.0.attn.W_Q"
      this.ids = new Map(words.map((word, id) => [word, id]))
      const names = this.run([1], { cache: true }).cache.keys()
      this.hookNames = [...names]
    }

    // The ids of a text's words, after <bos>. A word that the model does not know raises.
    toTokens(text) {
      const tokens = [1]
      for (const word of text.split(/\s+/).filter(Boolean)) {
        if (!this.ids.has(word)) throw new RangeError(`The model does not know '${word}'.`)
        tokens.push(this.ids.get(word))
      }
      return tokens
    }

    run(tokens, { hooks = [], cache = false } = {}) {
      const { n_layers, d_model, n_ctx } = this.cfg
      if (tokens.length < 1 || tokens.length > n_ctx) {
        throw new RangeError(`${tokens.length} tokens were given: 1 to ${n_ctx} fit.`)
      }
      for (const [name] of hooks) {
        if (typeof name === "string" && !this.hookNames.includes(name)) {
          throw new RangeError(`There is no hook point '${name}'.`)
        }
      }
      const kept = new Map()

      // The hook point: every activation passes here. A hook that returns nothing changes nothing.
      const hookPoint = (name, value) => {
        for (const [wanted, hook] of hooks) {
          if (typeof wanted === "function" ? !wanted(name) : wanted !== name) continue
          const made = hook(value, { name })
          if (made === undefined) continue
          if (String(made.shape) !== String(value.shape)) {
            throw new TypeError(`A hook at '${name}' gave [${made.shape}] for [${value.shape}].`)
          }
          value = made
        }
        if (cache) kept.set(name, value)
        return value
      }

      const pos = tokens.length
      const W_E = this.weights["embed.W_E"]
      const embedded = tensor([pos, d_model])
      tokens.forEach((id, p) =>
        embedded.data.set(W_E.subarray(id * d_model, (id + 1) * d_model), p * d_model))
      const places = tensor(
        [pos, d_model], this.weights["pos_embed.W_pos"].slice(0, pos * d_model))
      let resid = add(hookPoint("hook_embed", embedded), hookPoint("hook_pos_embed", places))
      for (let layer = 0; layer < n_layers; layer++) {
        resid = this.block(`blocks.${layer}`, resid, hookPoint)
      }
      return { logits: this.unembed(resid, hookPoint), cache: kept }
    }

    // A score for each next word: also of a state of the stream before its end, the logit lens.
    unembed(resid, hookPoint = (name, value) => value) {
      const read = hookPoint("unembed.hook_in", this.layerNorm("ln_final", resid, hookPoint))
      const { "unembed.W_U": W_U, "unembed.b_U": b_U } = this.weights
      return hookPoint("unembed.hook_out", linear(read, W_U, b_U, this.cfg.d_vocab))
    }

    // Attention and an MLP: each reads the residual stream and adds to it.
    block(at, resid, hookPoint) {
      resid = hookPoint(`${at}.hook_resid_pre`, resid)
      const attended = this.attention(
        `${at}.attn`, this.layerNorm(`${at}.ln1`, resid, hookPoint), hookPoint)
      resid = add(resid, hookPoint(`${at}.hook_attn_out`, attended))
      resid = hookPoint(`${at}.hook_resid_mid`, resid)
      const computed = this.mlp(
        `${at}.mlp`, this.layerNorm(`${at}.ln2`, resid, hookPoint), hookPoint)
      resid = add(resid, hookPoint(`${at}.hook_mlp_out`, computed))
      return hookPoint(`${at}.hook_resid_post`, resid)
    }

    layerNorm(at, x, hookPoint) {
      const [pos, size] = x.shape
      let scale = tensor([pos, 1]), normalized = tensor([pos, size])
      const centred = x.data.slice(), out = tensor([pos, size])
      const w = this.weights[`${at}.w`], b = this.weights[`${at}.b`]
      for (let p = 0; p < pos; p++) {
        let mean = 0, variance = 0
        for (let i = p * size; i < (p + 1) * size; i++) mean += centred[i] / size
        for (let i = p * size; i < (p + 1) * size; i++) variance += (centred[i] -= mean) ** 2 / size
        scale.data[p] = Math.sqrt(variance + this.cfg.eps)
      }
      scale = hookPoint(`${at}.hook_scale`, scale)
      for (let i = 0; i < centred.length; i++) {
        normalized.data[i] = centred[i] / scale.data[Math.floor(i / size)]
      }
      normalized = hookPoint(`${at}.hook_normalized`, normalized)
      for (let i = 0; i < centred.length; i++) {
        out.data[i] = normalized.data[i] * w[i % size] + b[i % size]
      }
      return out
    }

    // Every head looks back: scores decide where, values say what is brought.
    attention(at, x, hookPoint) {
      const { n_heads, d_head, d_model } = this.cfg
      const pos = x.shape[0], wide = n_heads * d_head
      const w = (name) => this.weights[`${at}.${name}`]
      const split = (name) => { // [pos, d_model] to [pos, head, d_head]
        const out = tensor([pos, n_heads, d_head])
        for (let p = 0; p < pos; p++) out.data.set(w(`b_${name}`), p * wide)
        for (let head = 0; head < n_heads; head++) {
          addProduct(out.data, x.data, w(`W_${name}`), {
            rows: pos, inner: d_model, cols: d_head,
            x: { at: 0, step: d_model },
            W: { at: head * d_model * d_head, step: d_head },
            out: { at: head * d_head, step: wide },
          })
        }
        return out
      }
      const q = hookPoint(`${at}.hook_q`, split("Q"))
      const k = hookPoint(`${at}.hook_k`, split("K"))
      const v = hookPoint(`${at}.hook_v`, split("V"))

      let scores = tensor([n_heads, pos, pos])
      scores.data.fill(-Infinity) // the future stays so
      for (let head = 0; head < n_heads; head++) {
        for (let query = 0; query < pos; query++) {
          for (let key = 0; key <= query; key++) {
            const qAt = query * wide + head * d_head, kAt = key * wide + head * d_head
            let dot = 0
            for (let i = 0; i < d_head; i++) dot += q.data[qAt + i] * k.data[kAt + i]
            scores.data[(head * pos + query) * pos + key] = dot / Math.sqrt(d_head)
          }
        }
      }
      scores = hookPoint(`${at}.hook_attn_scores`, scores)

      let pattern = tensor([n_heads, pos, pos])
      for (let row = 0; row < n_heads * pos; row++) {
        pattern.data.set(softmax(scores.data.subarray(row * pos, (row + 1) * pos)), row * pos)
      }
      pattern = hookPoint(`${at}.hook_pattern`, pattern)

      let z = tensor([pos, n_heads, d_head])
      const out = tensor([pos, d_model])
      for (let head = 0; head < n_heads; head++) {
        addProduct(z.data, pattern.data, v.data, {
          rows: pos, inner: pos, cols: d_head,
          x: { at: head * pos * pos, step: pos },
          W: { at: head * d_head, step: wide },
          out: { at: head * d_head, step: wide },
        })
      }
      z = hookPoint(`${at}.hook_z`, z)
      for (let p = 0; p < pos; p++) out.data.set(w("b_O"), p * d_model)
      addProduct(out.data, z.data, w("W_O"), { // [head, d_head, d_model] is [wide, d_model]
        rows: pos, inner: wide, cols: d_model,
        x: { at: 0, step: wide }, W: { at: 0, step: d_model }, out: { at: 0, step: d_model },
      })
      return out
    }

    mlp(at, x, hookPoint) {
      const { d_mlp, d_model } = this.cfg
      const w = (name) => this.weights[`${at}.${name}`]
      const pre = hookPoint(`${at}.hook_pre`, linear(x, w("W_in"), w("b_in"), d_mlp))
      const post = hookPoint(`${at}.hook_post`, tensor(pre.shape, pre.data.map(geluNew)))
      return linear(post, w("W_out"), w("b_out"), d_model)
    }
  }

  // The weights are a script, and not fetched: a page opened from a disk may load scripts only.
  const folder = document.currentScript.src.replace(/[^/]*$/, "")
  let loading
  function load() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script")
      script.src = `${folder}weights.js`
      script.onload = () => resolve(unpack(minicache.shipped))
      script.onerror = () => reject(new Error(`${script.src} cannot be loaded.`))
      document.head.append(script)
    })
    return loading
  }

  function unpack({ cfg, words, shapes, base64, torchMs }) {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
    const all = Float64Array.from(new Float32Array(bytes.buffer))
    const weights = {}
    let at = 0
    for (const [name, shape] of Object.entries(shapes)) {
      const size = shape.reduce((a, b) => a * b, 1)
      weights[name] = all.subarray(at, (at += size))
    }
    return Object.assign(new Model({ cfg, words, weights }), { torchMs })
  }

  window.minicache = { load, Model, tensor, addProduct, softmax }
})()
