AGES = AGE_RANGE


def meta(age=None, gender=None, view=None):
    """Age, gender and view position as the network takes them, [1, 3]; what is not known is 0.5."""
    years = 0.5
    if age is not None and 0 <= age <= 120 and AGES is not None and AGES[1] > AGES[0]:
        years = min(max((age - AGES[0]) / (AGES[1] - AGES[0]), 0.0), 1.0)
    return torch.tensor([[years, {"M": 0.0, "F": 1.0}.get(gender, 0.5), {"PA": 0.0, "AP": 1.0}.get(view, 0.5)]])
