"""The plan of a day: what clashes with what, said before it happens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from swaps.schedules.plan import Entry, Kind, Source, World, lay_out

TWO = datetime(2026, 11, 24, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WORLD = World(serving={"main": "small"}, catalog={"small": "small", "org/small": "small", "big": "big"})


def entry(kind: Kind, title: str, at: int = 0, lasts: int = 10, **fields: object) -> Entry:
    """`at` and `lasts` in minutes from two o'clock."""
    source = Source.SCHEDULE if kind in (Kind.SWAP, Kind.WARM, Kind.HEALTH_SWEEP) else Source.EXTERNAL
    starts_at = TWO + at * MINUTE
    made = Entry(kind, source, "main", title, "ana", starts_at, starts_at + lasts * MINUTE, url=f"/{title}")
    return replace(made, **fields)  # type: ignore[arg-type]


def lock(holder: str, at: int, lasts: int) -> Entry:
    return entry(Kind.LOCK, "daily vol run", at, lasts, source=Source.LOCK, owner=holder)


def found(*entries: Entry, world: World = WORLD) -> dict[str, list[str]]:
    return {e.title: [conflict.code for conflict in e.conflicts] for e in lay_out(entries, world) if e.conflicts}


def words(*entries: Entry, world: World = WORLD) -> str:
    return " ".join(conflict.sentence for e in lay_out(entries, world) for conflict in e.conflicts)


def test_sentences_tell_times_where_spark_control_stands() -> None:
    one, two = entry(Kind.SWAP, "swap", model="small"), entry(Kind.JOB, "job", 5, model="small")
    berlin = replace(WORLD, zone=ZoneInfo("Europe/Berlin"))
    assert "(24 Nov 03:00 CET to 24 Nov 03:10 CET)" in words(one, two, world=berlin)


def test_it_is_in_order_of_start() -> None:
    plan = lay_out([entry(Kind.JOB, "b", 30), entry(Kind.JOB, "a", 10)], WORLD)
    assert [e.title for e in plan] == ["a", "b"]


def test_two_that_meet_on_a_slot_are_both_flagged() -> None:
    swap, job = entry(Kind.SWAP, "swap", 0, model="big"), entry(Kind.JOB, "job", 5)
    assert found(swap, job) == {"swap": ["overlap"], "job": ["overlap"]}
    assert "job overlaps swap on main (24 Nov 02:00 UTC to 24 Nov 02:10 UTC)." in words(swap, job)


def test_one_that_begins_as_the_other_ends_does_not_meet_it() -> None:
    assert found(entry(Kind.JOB, "one", 0, 10), entry(Kind.JOB, "two", 10, 10, model="small")) == {}


def test_another_slot_or_a_mere_look_is_no_overlap() -> None:
    swap = entry(Kind.SWAP, "swap", model="big")
    elsewhere = entry(Kind.SWAP, "elsewhere", slot="other", model="big")
    sweep = entry(Kind.HEALTH_SWEEP, "sweep", slot=None)
    assert found(swap, elsewhere, sweep) == {}


def test_jobs_that_use_the_same_model_share_it() -> None:
    one, two = entry(Kind.JOB, "one", model="small"), entry(Kind.JOB, "two", model="small")
    assert found(one, two) == {}


def test_one_that_takes_longer_than_its_period_overlaps_itself() -> None:
    first, second = (replace(entry(Kind.SWAP, "swap", at, 10, model="big"), url="/1") for at in (0, 5))
    assert "takes longer than the time until it comes again" in words(first, second)


def test_a_swap_inside_somebodys_lock_is_flagged_with_who_and_until_when() -> None:
    swap = entry(Kind.SWAP, "swap", 10, model="big")
    assert found(lock("openclaw", 0, 30), swap) == {"swap": ["inside-lock"]}
    assert "would be refused: openclaw holds main until 24 Nov 02:30 UTC." in words(lock("openclaw", 0, 30), swap)


def test_a_swap_under_its_own_lock_or_after_anothers_is_fine() -> None:
    mine = entry(Kind.SWAP, "mine", 10, model="big", known_as=frozenset({"openclaw-vol"}))
    after = entry(Kind.SWAP, "after", 40, model="small")
    assert found(lock("openclaw-vol", 0, 30), mine, after) == {}


def test_a_job_that_changes_nothing_may_run_under_a_lock() -> None:
    assert found(lock("openclaw", 0, 30), entry(Kind.JOB, "job", 10, model="small")) == {}


def test_a_job_whose_model_is_swapped_away_before_is_told_by_whom() -> None:
    swap, job = entry(Kind.SWAP, "evening", 0, model="big"), entry(Kind.JOB, "job", 30, model="org/small")
    assert found(swap, job) == {"job": ["model-not-there"]}
    assert "job needs org/small, but evening at 24 Nov 02:00 UTC swaps to big before." in words(swap, job)


def test_a_job_whose_model_comes_back_in_time_is_fine() -> None:
    away, back = entry(Kind.SWAP, "away", 0, model="big"), entry(Kind.SWAP, "back", 20, model="small")
    assert found(away, back, entry(Kind.JOB, "job", 40, model="small")) == {}


def test_a_job_whose_model_does_not_serve_is_told_what_does() -> None:
    job = entry(Kind.JOB, "job", model="big")
    assert "main serves small and nothing planned swaps to it" in words(job)
    assert "nothing serves on main" in words(job, world=World({"main": ""}, WORLD.catalog))


def test_what_serves_is_not_known_so_nothing_is_claimed() -> None:
    assert found(entry(Kind.JOB, "job", model="big"), world=World({}, WORLD.catalog)) == {}


def test_a_model_outside_the_catalog_is_flagged() -> None:
    assert found(entry(Kind.JOB, "job", model="gone")) == {"job": ["unknown-model"]}
    assert "not in the catalog" in words(entry(Kind.SWAP, "swap", model="gone"))


def test_after_a_stop_nothing_serves() -> None:
    stop = entry(Kind.STOP, "stop", 0, source=Source.SWAP)
    assert "stop at 24 Nov 02:00 UTC stops what serves before" in words(stop, entry(Kind.JOB, "job", 20, model="small"))


def test_a_stale_swap_is_not_believed_to_change_the_model() -> None:
    stale = entry(Kind.SWAP, "stale", 0, model="big", source=Source.EXTERNAL, stale=True)
    assert found(stale, entry(Kind.JOB, "job", 30, model="small")) == {}


def test_the_running_swap_is_not_refused_by_the_lock_it_runs_under() -> None:
    running = entry(Kind.SWAP, "running", 5, model="big", source=Source.SWAP)
    assert found(lock("openclaw", 0, 30), running) == {}


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(list(Kind)))
    source = Source.LOCK if kind is Kind.LOCK else draw(st.sampled_from([Source.EXTERNAL, Source.SCHEDULE]))
    return entry(
        kind,
        draw(st.text("abc", min_size=1, max_size=3)),
        draw(st.integers(0, 200)),
        draw(st.integers(1, 60)),
        source=source,
        slot=None if kind is Kind.HEALTH_SWEEP else draw(st.sampled_from(["main", "other"])),
        model=draw(st.sampled_from(["", "small", "big", "gone"])),
        stale=draw(st.booleans()),
    )


@given(st.lists(entries(), max_size=25))
def test_nothing_is_lost_and_overlaps_are_those_that_meet(plan: list[Entry]) -> None:
    laid = lay_out(plan, WORLD)

    assert sorted(e.starts_at for e in plan) == [e.starts_at for e in laid]
    for one in laid:
        told = {conflict.code for conflict in one.conflicts}
        others = [two for two in laid if two is not one and two.slot == one.slot and one.meets(two)]
        if "overlap" in told:
            assert any(two.kind is not Kind.LOCK for two in others)
        if one.kind is Kind.SWAP and any(two.kind is Kind.SWAP for two in others):
            assert "overlap" in told or len(one.conflicts) == 5
        if one.kind in (Kind.LOCK, Kind.HEALTH_SWEEP):
            assert "overlap" not in told
