"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit, slip

PACK = "        if storage.data_ptr() not in own:\n"
PUT = "            storages[storage.data_ptr()] = storage\n"
SUM = "    return sum(storage.nbytes() for storage in storages.values())\n"

EDITS = [
    slip(
        "four bytes",
        {
            PUT: "            storages[storage.data_ptr()] = 4 * (storage.nbytes() // tensor.itemsize)\n",
            SUM: "    return sum(storages.values())\n",
        },
        "Each number is taken for 4 bytes. A float64 takes 8: `nbytes` knows.",
    ),
    slip(
        "parameters by is",
        {PACK: "        if all(tensor is not parameter for parameter in parameters):\n"},
        "A view of a parameter is counted. It is another tensor, so `is` and `in` do not find it "
        "among the parameters, but its memory is theirs. Compare storages.",
    ),
    Edit(
        "by_views",
        {
            "        if storage.data_ptr() not in own:\n": "        if all(tensor is not parameter for parameter in parameters):\n"
        },
        "A view of a parameter is counted. It is another tensor, so `is` and `in` do not find it among the parameters, but its memory is theirs. Compare storages.",
    ),
    Edit(
        "counts_parameters",
        {
            "        if storage.data_ptr() not in own:\n            storages[storage.data_ptr()] = storage\n": "        storages[storage.data_ptr()] = storage\n"
        },
        "Parameters are weighed too. The graph points at them, but they are in memory anyway: autodiff does not cost them. Leave out every storage that belongs to a parameter.",
    ),
    Edit(
        "counts_twice",
        {
            "            storages[storage.data_ptr()] = storage\n": "            storages[len(storages)] = storage\n"
        },
        "A storage that two operations saved is counted twice. Both entries point at the same memory. Tell storages apart by their address, and count each once.",
    ),
    Edit(
        "elements",
        {
            "    return sum(storage.nbytes() for storage in storages.values())\n": "    return sum(storage.nbytes() // 4 for storage in storages.values())\n"
        },
        "That is the number of elements. A float32 takes 4 bytes and a float64 takes 8, so ask for bytes.",
    ),
    Edit(
        "numel_of_the_view",
        {
            "            storages[storage.data_ptr()] = storage\n": "            storages[storage.data_ptr()] = tensor.numel() * tensor.element_size()\n",
            "    return sum(storage.nbytes() for storage in storages.values())\n": "    return sum(storages.values())\n",
        },
        "You weigh the tensor that was saved, and not the memory that it keeps. A view of ten numbers keeps the whole storage alive, and an expanded tensor has more entries than memory.",
    ),
    Edit(
        "weighs_the_result",
        {
            "    storages = {}\n    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}\n\n    def pack(tensor):\n        storage = tensor.untyped_storage()\n        if storage.data_ptr() not in own:\n            storages[storage.data_ptr()] = storage\n        return tensor.detach()\n\n    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):\n        result = fn()\n    del result\n    return sum(storage.nbytes() for storage in storages.values())\n": "    result = fn()\n    return 0 if result is None else result.untyped_storage().nbytes()\n"
        },
        "You weigh what the function returned. Autograd keeps other tensors: the inputs or outputs that the derivatives need, on the way. `saved_tensors_hooks` shows them.",
    ),
    Edit(
        "by_tensor",
        {
            "        storage = tensor.untyped_storage()\n        if storage.data_ptr() not in own:\n            storages[storage.data_ptr()] = storage\n": "        storage = tensor.untyped_storage()\n        if storage.data_ptr() not in own:\n            storages[tensor.data_ptr()] = storage\n"
        },
        "Two views of one storage that begin at different places count twice: `tensor.data_ptr()` is "
        "where the view begins. The storage's address, `tensor.untyped_storage().data_ptr()`, is the "
        "same for both.",
    ),
    Edit(
        "by_identity",
        {
            "            storages[storage.data_ptr()] = storage\n": "            storages[id(tensor)] = storage\n            kept.append(tensor)\n",
            "    storages = {}\n": "    storages, kept = {}, []\n",
        },
        "Two tensors of one storage count twice. They are told apart by `id`; their memory is one. "
        "Tell storages apart by their address.",
    ),
    Edit(
        "generator_used_up",
        {
            "        if storage.data_ptr() not in own:\n": "        if all(storage.data_ptr() != p.untyped_storage().data_ptr() for p in parameters):\n"
        },
        "`parameters` is gone through again for each tensor. A generator, as `model.parameters()` is "
        "one, is used up after the first time: look at it once.",
    ),
    Edit(
        "leaves_left_out",
        {
            "        if storage.data_ptr() not in own:\n": "        if storage.data_ptr() not in own and tensor.grad_fn is not None:\n"
        },
        "Tensors without a `grad_fn` are left out: inputs and constants. Only the parameters are "
        "there anyway; all else that is saved counts.",
    ),
    Edit(
        "requires_grad_for_parameters",
        {
            "        if storage.data_ptr() not in own:\n": "        if not (tensor.is_leaf and tensor.requires_grad):\n"
        },
        "Every leaf that requires a gradient is left out. Only `parameters` and their views are.",
    ),
    Edit(
        "by_values",
        {
            "        if storage.data_ptr() not in own:\n": "        if storage.data_ptr() not in own and not any(tensor.shape == p.shape and bool((tensor == p).all()) for p in known):\n",
            "    storages = {}\n": "    storages, known = {}, list(parameters)\n    parameters = known\n",
        },
        "A tensor with the values of a parameter is left out, and has a memory of its own. Compare "
        "storages, and not values.",
    ),
    Edit(
        "parameters_by_where_they_begin",
        {
            "        if storage.data_ptr() not in own:\n": "        if tensor.data_ptr() not in own:\n"
        },
        "A view of a parameter that begins elsewhere is counted: `tensor.data_ptr()` is where the "
        "view begins. Ask for its storage's address.",
    ),
    Edit(
        "calls_twice",
        {"        result = fn()\n": "        fn()\n        result = fn()\n"},
        "`fn` is called twice. A call may cost much, or change something: once is asked for.",
    ),
    Edit(
        "warms_up",
        {"    storages = {}\n": "    storages = {}\n    fn()\n"},
        "`fn` is called once more, outside of the hooks. A call may cost much, or change something: "
        "once is asked for.",
    ),
    Edit(
        "pack_returns_nothing",
        {"        return tensor.detach()\n": "        return None\n"},
        "`pack` or `unpack` returns nothing, so that no backward pass can run. `pack` returns "
        "`tensor.detach()`, and `unpack` gives that back.",
    ),
    Edit(
        "pack_returns_the_tensor",
        {"return tensor.detach()": "return tensor"},
        "`pack` returns the tensor itself. Where an operation saves its own result, the graph then "
        "holds itself and is never freed. Return `tensor.detach()`.",
    ),
    Edit(
        "outside_the_hooks",
        {"        result = fn()\n": "        pass\n    result = fn()\n"},
        "`fn` runs outside of the hooks, so that nothing is seen. Call it inside the `with` block.",
    ),
    Edit(
        "no_grad",
        {"        result = fn()\n": "        with torch.no_grad():\n            result = fn()\n"},
        "`fn` runs under `no_grad`. Then autograd saves nothing, and there is nothing to weigh.",
    ),
    Edit(
        "all_calls_together",
        {
            "def saved_bytes": "_storages = {}\n\n\ndef saved_bytes",
            "    storages = {}\n": "    storages = _storages\n",
        },
        "A second call counts what the first one saw as well. Make the dictionary in the function.",
    ),
    Edit(
        "by_size",
        {
            "            storages[storage.data_ptr()] = storage\n": "            storages[storage.nbytes()] = storage\n"
        },
        "Two storages of the same size are taken for one. Their addresses tell them apart.",
    ),
    Edit(
        "subtracts_parameters",
        {
            "        if storage.data_ptr() not in own:\n            storages[storage.data_ptr()] = storage\n": "        storages[storage.data_ptr()] = storage\n",
            "storage in storages.values())\n": "storage in storages.values()) - sum(p.untyped_storage().nbytes() for p in parameters)\n",
        },
        "The size of all parameters is taken off at the end, also of those that were never saved. "
        "Leave out what was saved and is a parameter's.",
    ),
    Edit(
        "only_the_last",
        {
            "            storages[storage.data_ptr()] = storage\n": "            storages[0] = storage\n"
        },
        "Only the last tensor that was saved counts. All of them do.",
    ),
    Edit(
        "only_the_largest",
        {
            "    return sum(": "    return max(",
            "in storages.values())\n": "in [*storages.values(), torch.UntypedStorage(0)])\n",
        },
        "Only the largest storage counts. The sum is asked for.",
    ),
    Edit(
        "counts_tensors",
        {"    return sum(storage.nbytes() for": "    return sum(1 for"},
        "That is how many storages were saved. Their bytes are asked for.",
    ),
    Edit(
        "numel",
        {
            "            storages[storage.data_ptr()] = storage\n": "            storages[storage.data_ptr()] = tensor.numel()\n",
            "    return sum(storage.nbytes() for storage in storages.values())\n": "    return sum(storages.values())\n",
        },
        "That is the number of entries of what was saved. Bytes of storages are asked for: "
        "`tensor.untyped_storage().nbytes()`.",
    ),
    Edit(
        "four_bytes_each",
        {
            "            storages[storage.data_ptr()] = storage\n": "            storages[storage.data_ptr()] = 4 * tensor.numel()\n",
            "    return sum(storage.nbytes() for storage in storages.values())\n": "    return sum(storages.values())\n",
        },
        "Four bytes are counted for each entry of what was saved. A float64 or an int64 takes 8, and a "
        "view keeps its whole storage: `tensor.untyped_storage().nbytes()`.",
    ),
    Edit(
        "kilobytes",
        {
            "    return sum(storage.nbytes() for storage in storages.values())\n": "    return sum(storage.nbytes() for storage in storages.values()) / 1000\n"
        },
        "That is kilobytes. Bytes are asked for, an int.",
    ),
    Edit(
        "swallows",
        {
            "        result = fn()\n": "        try:\n            result = fn()\n        except Exception:\n            result = None\n"
        },
        "An exception of `fn` disappears. Let it go on its way.",
    ),
    Edit(
        "each_tensor_with_its_size",
        {
            "            storages[storage.data_ptr()] = storage\n": "            storages[len(storages)] = tensor.numel() * tensor.element_size()\n",
            "    return sum(storage.nbytes() for storage in storages.values())\n": "    return sum(storages.values())\n",
        },
        "You add up the sizes of the tensors that were saved. Two that share a storage count once, and "
        "a view keeps its whole storage.",
    ),
    Edit(
        "weighs_copies",
        {
            "        storage = tensor.untyped_storage()\n": "        tensor = tensor.clone()\n        kept.append(tensor)\n        storage = tensor.untyped_storage()\n",
            "    storages = {}\n": "    storages, kept = {}, []\n",
        },
        "Copies are weighed. A copy has a storage of its own, so that nothing is seen to be shared, "
        "nor to be a parameter's. Look at the tensor that `pack` is given.",
    ),
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "del result -> ": "The result goes when the function returns, and the bytes are counted before.",
}
