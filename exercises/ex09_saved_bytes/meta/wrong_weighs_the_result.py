"""You weigh what the function returned. Autograd keeps other tensors: the inputs or outputs that the
derivatives need, on the way. `saved_tensors_hooks` shows them.
"""

import torch


def saved_bytes(fn, parameters):
    result = fn()
    return 0 if result is None else result.untyped_storage().nbytes()
