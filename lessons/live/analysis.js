// The residual-stream arithmetic on a cache of model.js: the same functions, names and labels as in
// Python, for one position. Each gives numbers for one token's logit, or for a difference of two.
"use strict"
;(() => {
  const { softmax, tensor, addProduct } = window.minicache

  const rowOf = ({ data, shape }, pos) => {
    const size = data.length / shape[0]
    return data.subarray(pos * size, (pos + 1) * size)
  }
  const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0)

  // The direction of a logit (less another), a column of W_U, and its bias.
  function direction(model, token, incorrect) {
    const { d_model, d_vocab } = model.cfg
    const { "unembed.W_U": W_U, "unembed.b_U": b_U } = model.weights
    const column = (id) => Float64Array.from({ length: d_model }, (_, i) => W_U[i * d_vocab + id])
    const d = column(token)
    if (incorrect === null) return { d, bias: b_U[token] }
    const other = column(incorrect)
    return { d: d.map((value, i) => value - other[i]), bias: b_U[token] - b_U[incorrect] }
  }

  // embed, pos_embed and what each attention and MLP wrote: [label, vector] at a position.
  function decomposeResid(model, cache, pos) {
    const parts = [
      ["embed", rowOf(cache.get("hook_embed"), pos)],
      ["pos_embed", rowOf(cache.get("hook_pos_embed"), pos)],
    ]
    for (let layer = 0; layer < model.cfg.n_layers; layer++) {
      for (const part of ["attn_out", "mlp_out"]) {
        parts.push([`${layer}_${part}`, rowOf(cache.get(`blocks.${layer}.hook_${part}`), pos)])
      }
    }
    return parts
  }

  // The same with each head by itself: its z through its rows of W_O; all b_O are "bias".
  function fullDecomposition(model, cache, pos) {
    const { n_layers, n_heads, d_head, d_model } = model.cfg
    const heads = [], bias = new Float64Array(d_model)
    for (let layer = 0; layer < n_layers; layer++) {
      const z = rowOf(cache.get(`blocks.${layer}.attn.hook_z`), pos)
      const at = `blocks.${layer}.attn`
      for (let head = 0; head < n_heads; head++) {
        const written = tensor([d_model])
        addProduct(written.data, z, model.weights[`${at}.W_O`], {
          rows: 1, inner: d_head, cols: d_model, x: { at: head * d_head, step: 0 },
          W: { at: head * d_head * d_model, step: d_model }, out: { at: 0, step: 0 },
        })
        heads.push([`L${layer}H${head}`, written.data])
      }
      model.weights[`${at}.b_O`].forEach((value, i) => (bias[i] += value))
    }
    const rest = decomposeResid(model, cache, pos).filter(([label]) => !label.endsWith("attn_out"))
    const mlps = rest.filter(([label]) => label.endsWith("mlp_out"))
    const embeddings = rest.filter(([label]) => label.endsWith("embed"))
    return [...heads, ...mlps, ...embeddings, ["bias", bias]]
  }

  // What each part adds to the logit, with the run's LayerNorm scale held fixed, and the constant
  // that no part owns. They sum to the logit.
  function logitAttrs(model, cache, parts, pos, token, incorrect = null) {
    const { d, bias } = direction(model, token, incorrect)
    const w = model.weights["ln_final.w"], b = model.weights["ln_final.b"]
    const scale = cache.get("ln_final.hook_scale").data[pos]
    const weighted = d.map((value, i) => value * w[i])
    const mean = weighted.reduce((sum, value) => sum + value, 0) / weighted.length
    const carried = weighted.map((value) => value - mean)
    const attrs = parts.map(([label, vector]) => [label, dot(vector, carried) / scale])
    return { attrs, constant: dot(d, b) + bias }
  }

  // The logit lens: what the model would say, had it stopped at each place. Every state is
  // normalized with statistics of its own, and unembedded.
  function logitLens(model, cache) {
    const { n_layers } = model.cfg
    const places = []
    for (let layer = 0; layer < n_layers; layer++) {
      places.push([`${layer}_pre`, cache.get(`blocks.${layer}.hook_resid_pre`)])
      places.push([`${layer}_mid`, cache.get(`blocks.${layer}.hook_resid_mid`)])
    }
    places.push(["final_post", cache.get(`blocks.${n_layers - 1}.hook_resid_post`)])
    return places.map(([label, state]) => [label, model.unembed(state)])
  }

  // The ids of the most likely next words at a position, with their logits and probabilities.
  function topWords(model, logits, pos, count = 5) {
    const row = rowOf(logits, pos)
    const shares = softmax(row)
    return [...row.keys()]
      .sort((a, b) => row[b] - row[a])
      .slice(0, count)
      .map((id) => ({ id, word: model.words[id], logit: row[id], share: shares[id] }))
  }

  // The vocabulary's words nearest to an unknown one, by the number of letters to change.
  function nearest(model, word, count = 3) {
    const distance = (a, b) => {
      let before = [...Array(b.length + 1).keys()]
      for (let i = 1; i <= a.length; i++) {
        const row = [i]
        for (let j = 1; j <= b.length; j++) {
          const change = before[j - 1] + (a[i - 1] !== b[j - 1])
          row.push(Math.min(change, before[j] + 1, row[j - 1] + 1))
        }
        before = row
      }
      return before[b.length]
    }
    const asked = word.toLowerCase()
    return model.words
      .slice(2)
      .map((known) => [distance(asked, known.toLowerCase()) / Math.max(known.length, 2), known])
      .sort(([a], [b]) => a - b)
      .slice(0, count)
      .map(([, known]) => known)
  }

  Object.assign(window.minicache, {
    rowOf, decomposeResid, fullDecomposition, logitAttrs, logitLens, topWords, nearest,
  })
})()
