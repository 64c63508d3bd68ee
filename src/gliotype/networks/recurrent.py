"""The perfusion network: convolutions, a bidirectional LSTM and attention over the time of a bolus."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


class CurveNet(nn.Module):
    """Recurrent network that reads the curves of one patient and returns the times to which it attended.

    After Choi 2019 (Neuro-Oncology 21:1197), whose layer sizes were not published: two convolutions over time, a
    bidirectional LSTM, additive attention (Bahdanau 2015) and one linear layer on the attended state.

    Args:
        channels_in: channels of the curves; the last one is 1 where a time was measured and 0 where not.
        filters: channels of the two convolutions.
        hidden: units of the LSTM in each direction.
        drop: fraction of the attended state left out in training.
    """

    def __init__(
        self, channels_in: int, filters: tuple[int, int] = (32, 64), hidden: int = 64, drop: float = 0.5
    ) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(channels_in, filters[0], 5, padding=2),
            nn.BatchNorm1d(filters[0]),
            nn.ReLU(),
            nn.Conv1d(filters[0], filters[1], 3, padding=1),
            nn.BatchNorm1d(filters[1]),
            nn.ReLU(),
        )
        self.lstm = nn.LSTM(filters[1], hidden, batch_first=True, bidirectional=True)
        self.score = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.drop = nn.Dropout(drop)
        self.answer = nn.Linear(2 * hidden, 1)

    def forward(self, curves: Tensor) -> Tensor:
        """Map curves (n, channels_in, t) to (n, 1 + t): log-odds of IDH mutation, and the attention, adding up to 1."""
        states, _ = self.lstm(self.convolutions(curves).transpose(1, 2))
        unmeasured = 1 - curves[:, -1]
        attention = torch.softmax(self.score(states)[..., 0] - 1e4 * unmeasured, dim=1)
        attended = (attention[..., None] * states).sum(dim=1)
        return torch.cat([cast(Tensor, self.answer(self.drop(attended))), attention], dim=1)


class CurveEnsemble(nn.Module):
    """Several networks side by side."""

    def __init__(self, members: list[CurveNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, curves: Tensor) -> Tensor:
        """Map curves (n, channels_in, t) to (n, members, 1 + t)."""
        return torch.stack([member(curves) for member in self.members], dim=1)
