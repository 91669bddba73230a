from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from swaps.logs.splitting import MAX_LINE_BYTES, LineSplitter, clean_line, split_timestamp


def split(*chunks: str) -> list[str]:
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.flush()


def test_it_breaks_at_lf_cr_and_crlf() -> None:
    assert split("one\ntwo\rthree\r\nfour") == ["one", "two", "three", "four"]


def test_a_crlf_across_chunks_is_one_break() -> None:
    assert split("one\r", "\ntwo\r", "three") == ["one", "two", "three"]


def test_it_drops_empty_lines() -> None:
    assert split("\n\r\n  \t\none\n\n") == ["one"]


def test_a_line_without_an_end_waits_for_its_end_or_for_flush() -> None:
    splitter = LineSplitter()
    assert splitter.feed("Loading ") == []
    assert splitter.feed("weights\nCapt") == ["Loading weights"]
    assert splitter.flush() == ["Capt"]
    assert splitter.flush() == []


def test_other_separators_of_unicode_are_no_line_ends() -> None:
    assert split("a\x0bb\x85c\u2028d\n") == ["a\x0bb\x85c\u2028d"]


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    line = "x" * MAX_LINE_BYTES
    assert split(line + "\n") == [line]


def test_a_longer_line_is_cut_with_an_ellipsis() -> None:
    (line,) = split("x" * (MAX_LINE_BYTES + 1), "x" * 100_000, "\n")
    assert line.endswith("x…")
    assert len(line.encode()) == MAX_LINE_BYTES


def test_a_cut_never_halves_a_character() -> None:
    (line,) = split("é" * MAX_LINE_BYTES + "\n")
    assert set(line) == {"é", "…"}
    assert MAX_LINE_BYTES - 2 <= len(line.encode()) <= MAX_LINE_BYTES


def test_a_line_that_never_ends_does_not_fill_the_memory() -> None:
    splitter = LineSplitter()
    for _ in range(50):
        splitter.feed("x" * 10_000)
    assert sum(map(len, splitter.flush())) <= MAX_LINE_BYTES


@given(st.text(alphabet=st.sampled_from("ab \r\n\u00e9\ud800\U0001f600")), st.lists(st.integers(0, 60)))
def test_chunk_borders_do_not_matter(text: str, cuts: list[int]) -> None:
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    chunks = [text[begin:end] for begin, end in pairwise(borders)]
    assert split(*chunks) == split(text)


@given(st.text(alphabet=st.characters()))
def test_any_text_is_split_into_short_lines_without_line_ends(text: str) -> None:
    for line in split(text):
        assert line.strip()
        assert "\n" not in line and "\r" not in line
        assert len(line.encode("utf-8", "surrogatepass")) <= MAX_LINE_BYTES


def test_cleaning_removes_colours_titles_and_links() -> None:
    assert clean_line("\x1b[1;36m(EngineCore pid=1)\x1b[0;0m ready") == "(EngineCore pid=1) ready"
    assert clean_line("\x1b]0;evil title\x07text") == "text"
    assert clean_line("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\") == "link"
    assert clean_line("\x9b31mred\x1b(Bplain\x1bM") == "redplain"


def test_cleaning_removes_control_and_bidi_characters() -> None:
    assert clean_line("a\x00b\x07c\x7fd\x85e") == "abcde"
    assert clean_line("user\u202etxt.exe\u2066x\u2069\u200e\u200b\ufeff") == "usertxt.exex"


def test_cleaning_keeps_words_in_every_script_and_turns_tabs_into_spaces() -> None:
    assert clean_line("\tKV-Cache: 12 GiB – größer, 模型 😀  ") == " KV-Cache: 12 GiB – größer, 模型 😀"


def test_cleaning_replaces_lone_surrogates() -> None:
    assert clean_line("a\ud800b\udfffc") == "a\ufffdb\ufffdc"


@given(st.text(alphabet=st.characters()))
def test_a_cleaned_line_can_be_stored_and_is_clean(text: str) -> None:
    cleaned = clean_line(text)
    cleaned.encode()
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in cleaned)
    assert "\x1b" not in cleaned


def test_it_takes_the_timestamp_that_docker_puts_in_front() -> None:
    stamp = "2026-11-20T10:00:01.123456789Z"
    assert split_timestamp(f"{stamp} INFO 11-20 10:00:01 hello") == (stamp, "INFO 11-20 10:00:01 hello")
    assert split_timestamp("2026-11-20T10:00:01+01:00 x") == ("2026-11-20T10:00:01+01:00", "x")


def test_a_timestamp_alone_has_an_empty_rest() -> None:
    assert split_timestamp("2026-11-20T10:00:01Z") == ("2026-11-20T10:00:01Z", "")
    assert split_timestamp("2026-11-20T10:00:01Z ") == ("2026-11-20T10:00:01Z", "")


def test_other_dates_are_no_timestamp() -> None:
    for line in ("2026-11-20 10:00:01,123 INFO x", "x 2026-11-20T10:00:01Z y", "2026-11-20T10:00:01Zx", ""):
        assert split_timestamp(line) == (None, line)
