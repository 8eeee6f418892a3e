"""Claims about the shell's completion: what it offers, and that it can be installed for real."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, run
from support import console_script


def in_bash(*words: str) -> list[str]:
    """Return what bash is offered for the last of `words`."""
    env = {
        "_ROI_ACCEL_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("roi-accel", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = run(env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def in_zsh(line: str) -> str:
    """Return what zsh is to evaluate for a line that is typed so far."""
    done = run(env={"_ROI_ACCEL_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sc"], ["score"]),
        (["parity", "re"], ["record"]),
        (["models", ""], ["list", "path", "fetch"]),
        (["score", "--thre"], ["--threshold", "--threads"]),
        (["score", "--backend", "nu"], ["numpy", "numba"]),
        (["score", "-r", "a.mp4", "--gate", ""], ["first", "sample", "all", "off"]),
        (["score", "--pix-fmt", "yuv422p1"], ["yuv422p10le", "yuv422p12le", "yuv422p16le"]),
        (["score", "--ep", "open"], ["openvino"]),
        (["score", "--saliency-model", "student_v2"], ["student_v2"]),
        (["models", "fetch", "center"], ["center-surround"]),
        (["score", "-r", ""], []),
    ],
)
def test_bash_is_offered_commands_options_and_names(words: list[str], offered: list[str]) -> None:
    assert in_bash(*words) == offered


def test_bash_is_offered_every_command() -> None:
    assert in_bash("") == [
        *("score", "mask", "demo", "devices"),
        *("bench", "batch", "models", "parity"),
    ]


def test_zsh_is_offered_the_same_with_a_word_of_help() -> None:
    assert '"score":"Score distorted videos' in in_zsh("roi-accel sc")
    assert '"--threshold":"Saliency up to which' in in_zsh("roi-accel score --thresh")
    assert '"numba"' in in_zsh("roi-accel score --backend nu")
    assert in_zsh("roi-accel score -r ") == "_files"


def test_completing_one_command_loads_no_other() -> None:
    code = (
        "import sys\nfrom roi_accel.cli import main\nassert main([]) == 0\n"
        "names = [f'roi_accel.cli.{name}' for name in ('bench', 'devices', 'models', 'parity')]\n"
        "print([name for name in names if name in sys.modules], file=sys.stderr)"
    )
    env = environment(
        _ROI_ACCEL_COMPLETE="complete_bash", COMP_WORDS="roi-accel score --thr", COMP_CWORD="2"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout.split() == ["--threshold", "--threads"]
    assert done.stderr.strip() == "[]"


def bash(script: str, home: Path) -> str:
    folder = Path(console_script()).parent
    done = subprocess.run(
        ["/bin/bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environment(HOME=str(home), PATH=f"{folder}:/usr/bin:/bin"),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installed_in_bash_it_completes(tmp_path: Path) -> None:
    # What follows keeps bash from becoming the command, which looks for the shell it runs in.
    assert "bash completion installed" in bash("roi-accel --install-completion; true", tmp_path)
    script = tmp_path / ".bash_completions" / "roi-accel.sh"
    assert str(script) in (tmp_path / ".bashrc").read_text()
    shown = bash(
        f"source {script}\n"
        "complete -p roi-accel\n"
        "COMP_WORDS=(roi-accel score --backend nu) COMP_CWORD=3\n"
        '_roi_accel_completion roi-accel; echo "${COMPREPLY[@]}"',
        tmp_path,
    )
    assert shown.splitlines() == [
        "complete -o default -F _roi_accel_completion roi-accel",
        "numpy numba",
    ]


def test_installed_in_zsh_it_completes(tmp_path: Path) -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("zsh is not on PATH")
    folder = Path(console_script()).parent
    env = environment(HOME=str(tmp_path), PATH=f"{folder}:/usr/bin:/bin")
    subprocess.run([zsh, "-fc", "roi-accel --install-completion; true"], check=True, env=env)
    assert "_ROI_ACCEL_COMPLETE=complete_zsh" in (tmp_path / ".zfunc" / "_roi-accel").read_text()
    assert "fpath+=~/.zfunc" in (tmp_path / ".zshrc").read_text()
