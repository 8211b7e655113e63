from bench.paired import Call, Paired, time_in_turn


def test_ways_take_turns_and_their_preparation_is_no_part_of_a_call() -> None:
    happened: list[str] = []

    def way(name: str) -> Call:
        happened.append(f"make {name}")
        return lambda: happened.append(f"call {name}")

    timed = time_in_turn({"a": lambda: way("a"), "b": lambda: way("b")}, rounds=2, calls=2)
    turn = ["make a", "call a"] * 2 + ["make b", "call b"] * 2
    assert happened == ["make a", "call a", "make b", "call b", *turn, *turn]
    assert [len(calls) for calls in timed.seconds["a"]] == [2, 2]
    assert len(timed.all_of("b")) == 4


def test_a_slow_round_disturbs_both_ways_and_not_their_ratio() -> None:
    timed = Paired(
        {"fast": [[1, 1, 1], [9, 9, 9], [1, 1, 1]], "slow": [[4] * 3, [36] * 3, [4] * 3]}
    )
    assert timed.times_faster("fast", than="slow") == 4
    assert timed.median_s("fast") == 1


def test_one_interrupted_call_does_not_change_the_ratio() -> None:
    timed = Paired({"fast": [[1, 50, 1]], "slow": [[4, 4, 4]]})
    assert timed.times_faster("fast", than="slow") == 4
