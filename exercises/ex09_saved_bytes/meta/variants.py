"""Wrong answers of this exercise, as edits of the reference."""

from exercises.grader.variants import Edit

EDITS = [
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
]

# Small changes of the reference that no answer can be told by: the change, and the reason.
EQUIVALENT = {
    "del result -> ": "The result goes when the function returns, and the bytes are counted before.",
}
