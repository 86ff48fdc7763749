#!/usr/bin/env python3
"""Checks that #include lines follow the direction of dependencies (the table in docs/architecture.md), that the CMake
libraries say the same, and that the sealed kernel files stay sealed. Prints what is wrong; exit status 1 if anything is."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# module: what it may include directly; through those it may include what they may (arrows are transitive).
ARROWS = {
    "base": [],
    "tensor": ["base"],
    "kernels_cpu": ["base", "tensor"],
    "formats": ["base", "tensor"],
    "text": ["base", "formats"],
    "sampling": ["base"],
    "ops": ["base", "tensor", "kernels_cpu"],
    "model": ["base", "tensor", "formats", "ops"],
    "engine": ["model", "ops", "formats", "text", "sampling"],
    "convert": ["formats", "tensor", "model", "text"],
    "tools": ["model", "formats", "tensor", "ops", "text"],
    "eval": ["engine", "tools", "convert"],
    "server": ["engine"],
    "loadgen": ["base"],
    "cli": ["eval", "tools", "convert", "server", "loadgen"],
}
# Links what its row says, but sees the public headers alone.
PUBLIC_ONLY = {"server"}
# Public headers and who may include them; error.h is for everybody.
PUBLIC = {
    "sambay/error.h": set(ARROWS),
    "sambay/embedded_model.h": {"formats", "cli"},
    "sambay/text.h": {"text", "sampling", "engine", "convert", "tools", "eval", "server", "cli"},
    "sambay/sambay.h": {"sampling", "engine", "eval", "server", "cli"},
}
# Built with extra instruction-set flags, or included by such a file: an inline function of a C++ header compiled there
# could become the whole program's copy. these are written for it (all static).
SEALED_EXTRA = {"base/half.h", "tensor/panel_layout.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


def reachable(module, seen=None):
    seen = set() if seen is None else seen
    for below in ARROWS[module]:
        if below not in seen:
            seen.add(below)
            reachable(below, seen)
    return seen


def module_of(path):
    return "kernels_cpu" if path.startswith("kernels/cpu/") else path.split("/")[0]


def check_arrows(file, problems):
    name = file.relative_to(SRC).as_posix()
    module = module_of(name)
    if module not in ARROWS:
        problems.append(f"src/{name}: module '{module}' is not in the table of tools/check_includes.py")
        return
    allowed = {module} if module in PUBLIC_ONLY else reachable(module) | {module}
    for quote, target in INCLUDE.findall(file.read_text()):
        if target.startswith("sambay/"):
            if module not in PUBLIC.get(target, set()):
                problems.append(f"src/{name}: {module} may not include {target}")
        elif (SRC / target).exists():
            if quote != '"' or module_of(target) not in allowed:
                problems.append(f"src/{name}: {module} may not include {target}")
        elif quote == '"':
            problems.append(f'src/{name}: "{target}" is no path from src/ or include/')


def check_sealed(start, problems):
    seen, todo = set(), [start]
    while todo:
        file = todo.pop()
        name = file.relative_to(SRC).as_posix()
        if name in seen:
            continue
        seen.add(name)
        for quote, target in INCLUDE.findall(file.read_text()):
            if quote == "<" and not target.endswith(".h"):
                problems.append(f"src/{name}: <{target}> in a sealed file (reached from {start.name}): C headers only")
            elif quote == '"' and not target.startswith("kernels/cpu/") and target not in SEALED_EXTRA:
                problems.append(f"src/{name}: {target} in a sealed file (reached from {start.name}): kernel files only")
            elif quote == '"' and (SRC / target).exists():
                todo.append(SRC / target)


def check_libraries(problems):
    for file in SRC.rglob("CMakeLists.txt"):
        for module, dependencies in re.findall(r"sambay_module\(\s*(\w+)\s+DEPS([^)]*)\)", file.read_text()):
            linked = set(re.findall(r"sambay::(\w+)", dependencies))
            if extra := linked - set(ARROWS.get(module, [])):
                problems.append(f"{file.relative_to(ROOT)}: {module} links {', '.join(sorted(extra))}, not in the table")


def main():
    problems = []
    for file in sorted(p for p in SRC.rglob("*") if p.suffix in {".h", ".cpp", ".inc"}):
        check_arrows(file, problems)
    for file in sorted(SRC.glob("kernels/cpu/isa_*.cpp")):
        check_sealed(file, problems)
    check_libraries(problems)
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
