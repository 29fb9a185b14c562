import torch

from genretune.models.draws import CPU, generator


def test_a_generator_is_at_the_start_of_the_stream_of_its_seed() -> None:
    state = torch.get_rng_state()
    drawn = torch.rand(5, generator=generator(CPU, 11))
    assert torch.equal(drawn, torch.rand(5, generator=torch.Generator().manual_seed(11)))
    assert torch.equal(drawn, torch.rand(5, generator=generator(CPU, 11)))
    assert not torch.equal(drawn, torch.rand(5, generator=generator(CPU, 12)))
    assert torch.equal(torch.get_rng_state(), state)
