"""``gm.frozen_date``: one day for a lesson, and everything that works with dates works on."""

import copy
import datetime
import json
import pickle
import time
from collections.abc import Iterator
from datetime import UTC, date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from pydantic import BaseModel

import gptcache_magics as gm
from gptcache_magics import clock
from tests.support.shell import Typist, ask

DAY = "2026-01-05"


@pytest.fixture(autouse=True)
def real() -> Iterator[None]:
    yield
    clock.unfreeze()


def test_a_block_has_its_day_in_the_module_and_under_the_names_of_the_caller() -> None:
    before, seconds, passed = datetime.datetime.now(), time.time(), time.monotonic()
    with gm.frozen_date(DAY) as frozen:
        assert str(date.today()) == str(datetime.date.today()) == DAY
        assert f"{datetime.datetime.now():%Y-%m-%d %H:%M}" == f"{DAY} 09:00"
        assert f"{datetime.datetime.now(UTC):%Y-%m-%d %H:%M %Z}" == f"{DAY} 09:00 UTC"
        assert datetime.datetime.utcnow() == datetime.datetime.today() == datetime.datetime.now()
        assert f"{datetime.datetime.now()}" == f"{DAY} 09:00:00"
        assert time.monotonic() - passed > 0
        assert abs(time.time() - seconds) < 3600
        assert repr(frozen) == f"<FrozenDate {DAY}>"
    assert datetime.datetime.now() - before < timedelta(hours=1)
    assert date is datetime.date
    assert repr(frozen) == f"<FrozenDate {DAY}, stopped>"


def test_a_call_holds_until_it_is_stopped_and_the_next_takes_its_place() -> None:
    first = gm.frozen_date(DAY)
    second = gm.frozen_date(datetime.date(2030, 2, 1))
    first.stop()
    assert str(datetime.date.today()) == "2030-02-01"
    second.stop()
    second.stop()
    assert datetime.date.today().year != 2030


def test_what_works_with_dates_works_on() -> None:
    day, moment = datetime.date(2020, 2, 3), datetime.datetime(2020, 2, 3, 4, 5)
    with gm.frozen_date(DAY):

        class Event(BaseModel):
            on: datetime.date
            at: datetime.datetime

        event = Event.model_validate_json('{"on": "2020-02-03", "at": "2020-02-03T04:05:00"}')
        assert (event.on, event.at) == (day, moment)
        for value in (day, moment, datetime.date.today(), datetime.datetime.now(), datetime.datetime.now(UTC)):
            assert pickle.loads(pickle.dumps(value)) == copy.deepcopy(value) == value
            assert isinstance(value, datetime.date)
        kept = pickle.dumps([day, moment, datetime.date])
        assert isinstance(moment, datetime.datetime)
        assert not isinstance(day, datetime.datetime)
        assert issubclass(datetime.datetime, datetime.date)
        assert not issubclass(str, datetime.date)
        assert pd.Timestamp(datetime.datetime.now()).year == 2026
        assert pd.to_datetime(pd.Series([moment])).dt.day[0] == 3
        assert isinstance(pd.Timestamp(moment), datetime.datetime)
        assert datetime.datetime.fromisoformat("2020-02-03T04:05:00") == moment
        assert datetime.datetime.strptime("2020-02-03", "%Y-%m-%d").date() == day
        assert datetime.datetime.combine(day, datetime.time(4, 5)) == moment
        assert json.dumps(datetime.date.today(), default=str) == f'"{DAY}"'

        class Later(datetime.datetime):
            pass

        assert type(Later(2020, 2, 3)) is Later
        assert not isinstance(moment, Later)
    assert pickle.loads(kept) == [day, moment, datetime.date]
    assert type(event.at) is type(moment) is datetime.datetime


def test_off_lets_the_real_day_come_back(magic: Typist) -> None:
    magic.told("on :memory:")
    magic.ip.run_cell("import datetime, gptcache_magics as gm\n_ = gm.frozen_date('2026-01-05')")
    assert magic.ip.ev("str(datetime.date.today())") == DAY
    magic.told("off")
    assert datetime.date.today().isoformat() != DAY


def test_a_prompt_with_the_time_in_it_hits_in_the_next_run(tmp_path: Path) -> None:
    gm.on(tmp_path)
    answers = []
    for _ in range(2):
        with gm.frozen_date(DAY):
            answers.append([ask(f"Today is {each()}.") for each in (datetime.date.today, datetime.datetime.now)])
    assert answers[0] == answers[1]
    assert gm.stats(by="total")["hits"].item() == 2
    at = gm.lookups(since="run")["at"]
    assert (pd.Timestamp.now("UTC") - at < pd.Timedelta(hours=1)).all()
    gm.off()


@pytest.mark.parametrize("day", ["5 Jan", "2026-13-01", "", None, 5])
def test_what_is_not_a_day_is_refused(day: object) -> None:
    with pytest.raises(gm.GPTCacheMagicsError, match="frozen_date takes a day such as '2026-01-05'"):
        gm.frozen_date(day)  # type: ignore[arg-type]
