/** Reads the Markdown tables of a document: the rows of the first whose first columns are named, cells without code marks. */
export function documentTables(document: string): (...columns: string[]) => string[][] {
  const lines = document.split("\n");
  return (...columns) => {
    const head = lines.findIndex((line) => columns.every((name, i) => cellsOf(line)[i] === name));
    const rows = lines.slice(head + 2);
    const end = rows.findIndex((line) => !line.startsWith("|"));
    return rows.slice(0, end === -1 ? rows.length : end).map(cellsOf);
  };
}

function cellsOf(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll("`", ""));
}
