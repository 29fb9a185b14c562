"""Nodes are set aside for their own faults, and tried again later."""

from genretune.tune.dispatch.nodes.health import NodeHealth


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_two_segments_in_a_row_set_a_node_aside() -> None:
    health = NodeHealth()
    health.lost("a", 1)
    health.reported("a")
    health.lost("a", 2)
    health.lost("b", 3)
    assert not health.all_set_aside()
    health.lost("a", 4)
    assert set(health.all_set_aside()) == {"a"}


def test_two_losses_of_one_trial_do_not() -> None:
    health = NodeHealth()
    for _ in range(3):
        health.lost("a", 1)
    assert not health.is_set_aside("a")


def test_a_node_is_tried_again_and_rests_longer_each_time() -> None:
    clock = Clock()
    health = NodeHealth(clock)
    rests = []
    for _ in range(6):
        health.set_aside("a", "cannot describe itself")
        rests.append(health.all_set_aside()["a"].until - clock.now)
        clock.now += rests[-1]
        assert not health.is_set_aside("a")
    assert rests == [300.0, 600.0, 1200.0, 2400.0, 3600.0, 3600.0]
    health.reported("a")
    health.set_aside("a", "cannot describe itself")
    assert health.all_set_aside()["a"].until - clock.now == 300.0


def test_a_node_that_left_is_forgotten() -> None:
    health = NodeHealth()
    health.set_aside("a", "why")
    health.set_aside("b", "why")
    health.keep({"b"})
    assert set(health.all_set_aside()) == {"b"}
