"""A table with words, dates and gaps: trained, tested, reported, and used for other rows."""

import numpy as np
import pytest
from fruit_tables import accuracy

HEAD = "name,class,sex,age,booked,fare,cabin,port,survived"


def passengers(rows, seed=0):
    """Return the lines of a table in which sex and age decide."""
    rng = np.random.default_rng(seed)
    lines = []
    for row in range(rows):
        sex, age = rng.choice(["male", "female"]), int(rng.integers(1, 80))
        day = np.datetime64("1911-09-01") + rng.integers(0, 200)
        cabin = f"C{row}" if rng.random() < 0.2 else ""
        port = rng.choice(["S", "C", "Q", ""], p=[0.7, 0.2, 0.08, 0.02])
        survived = int(sex == "female" or age < 12)
        known = age if survived or rng.random() < 0.8 else "NA"
        name = f'"Passenger {row}, Esq."'
        fare = round(rng.gamma(2, 15), 2)
        lines.append(f"{name},{rng.integers(1, 4)},{sex},{known},{day},{fare},{cabin},{port}")
        lines[-1] += f",{survived}"
    return "\n".join([HEAD, *lines])


@pytest.mark.slow
@pytest.mark.filterwarnings("default:.*column")
def test_one_command_trains_and_tests_and_other_rows_are_predicted(cli, tmp_path):
    (tmp_path / "ship.csv").write_text(passengers(400))
    words = ("fit", "--data", "ship.csv", "--data.words", "class", "--trainer.max_epochs", 12)
    code, out, err = cli(*words, "--model.lr", 0.01)
    assert code == 0
    assert "warning: ship: name left out" in err
    assert "inputs: 7 columns as 18 features, gaps filled in age, cabin, port" in out
    code, out, err = cli("test")
    assert (code, err) == (0, "")  # the run's own rows warn of nothing
    assert accuracy(out) > 0.9
    code, out, err = cli("report", "--output", "report.html")
    assert code == 0
    new = "class,sex,age,booked,fare,cabin,port\n3,male,40,,7.5,,Rio\n9,female,,1912-01-05,,C1,S\n"
    (tmp_path / "new.csv").write_text(new)
    code, out, err = cli("predict", "--data", "new.csv")
    assert code == 0
    assert [line.split(",")[2] for line in out.splitlines()] == ["class", "0", "1"]
    for line in (
        "new: column class: '9' not seen in training, in 1 row, taken as no known word",
        "new: column booked: missing in 1 row, filled: 1911-",
        "new: column fare: missing in 1 row, filled: ",
        "new: column port: 'Rio' not seen in training",
    ):
        assert line in err
    (tmp_path / "new.csv").write_text("class,age,fare\n1,2,3\n")
    code, _, err = cli("predict", "--data", "new.csv")
    assert code != 0
    assert "new.csv: there is no column sex, booked, cabin, port; the run was trained on" in err
