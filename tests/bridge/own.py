"""A decoder of our own, which adds to its stream in whatever way a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Add = Callable[[Tensor, Tensor], Tensor]


class Block(nn.Module):
    def __init__(self, add: Add) -> None:
        super().__init__()
        self.add = add
        self.scale_z: Callable[[Tensor], Tensor] = lambda z: z
        self.norm, self.mlp_norm = nn.LayerNorm(12), nn.RMSNorm(12)
        self.qkv, self.out = nn.Linear(12, 36), nn.Linear(12, 12)
        self.up, self.down = nn.Linear(12, 20), nn.Linear(20, 12)

    def forward(self, stream: Tensor) -> Tensor:
        heads = self.qkv(self.norm(stream)).unflatten(-1, (3, 2, 6)).permute(2, 0, 3, 1, 4)
        mask = torch.full((stream.shape[1],) * 2, -torch.inf).triu(1).to(stream)
        z = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=mask)
        stream = self.add(stream, self.out(self.scale_z(z.transpose(1, 2).flatten(2))))
        return self.add(stream, self.down(F.gelu(self.up(self.mlp_norm(stream)))))


class Own(nn.Module):
    """What `wrap` asks of a model of `transformers`, and no more."""

    def __init__(self, add: Add, n_blocks: int = 2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.head = nn.Embedding(31, 12), nn.Linear(12, 31, bias=False)
        self.blocks = nn.ModuleList(Block(add) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(12)
        text = SimpleNamespace(max_position_embeddings=16)
        self.config = SimpleNamespace(get_text_config=lambda: text)
        self.double().eval()

    def get_input_embeddings(self) -> nn.Module:
        return self.embed

    def forward(self, input_ids: Tensor, **kwargs: Any) -> Any:
        stream = self.embed(input_ids)
        for block in self.blocks:
            stream = block(stream)
        return SimpleNamespace(logits=self.head(self.norm(stream)), hidden_states=None)
