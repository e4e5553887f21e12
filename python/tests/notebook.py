"""Runs the code cells of a notebook in order, in the study that REGCXR_STUDY names, and compares what they print with what the notebook
shows. With --write, writes it into the notebook.

    notebook.py NOTEBOOK [--write]
"""

import ast
import contextlib
import io
import json
import os
import sys


def run(source, names):
    """What a cell prints, then the value of its last expression, as a notebook shows them."""
    body = ast.parse(source).body
    last = ast.Expression(body.pop().value) if body and isinstance(body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, []), "cell", "exec"), names)
        value = None if last is None else eval(compile(last, "cell", "eval"), names)
    return printed.getvalue(), None if value is None else repr(value)


def outputs(count, printed, value):
    stream = [{"name": "stdout", "output_type": "stream", "text": printed.splitlines(True)}] if printed else []
    data = {"text/plain": (value or "").splitlines(True)}
    return stream + ([] if value is None else [{"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"}])


def main(path, write=False):
    with open(path, encoding="utf-8") as file:
        notebook = json.load(file)
    os.chdir(os.environ["REGCXR_STUDY"])
    names = {"__name__": "__main__"}
    wrong = []
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for count, cell in enumerate(cells, 1):
        found = outputs(count, *run("".join(cell["source"]), names))
        if found != cell["outputs"]:
            wrong.append(f"cell {count} shows {cell['outputs']}\nand gives {found}")
        cell.update(outputs=found, execution_count=count)
    if write:
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    elif wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] == ["--write"])
