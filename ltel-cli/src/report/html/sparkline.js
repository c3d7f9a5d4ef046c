// Small lines in the table. They have no scale: they show where something changed.

const SPARK_WIDTH = 88;
const SPARK_HEIGHT = 22;
const SPARK_POINTS = 64;

function setSparkline(cell, values, marks) {
  const key = `${page.doc.run.run_id}:${page.doc.timeline.points}:${values.length}:${values.at(-1)}:${values.at(-2)}:${values[0]}`;
  if (cell.dataset.shown === key) return;
  cell.dataset.shown = key;
  cell.replaceChildren(sparkline(values, marks));
}

function sparkline(values, marks = []) {
  const line = svg("svg", { class: "sparkline", viewBox: `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`, width: SPARK_WIDTH, height: SPARK_HEIGHT, "aria-hidden": "true" });
  const length = page.doc.timeline.points;
  const highest = values.reduce((a, b) => Math.max(a, b ?? 0), 0);
  if (highest === 0) return line;
  // Neighbors become one point, the greatest of them.
  const merged = Math.max(1, Math.ceil(length / SPARK_POINTS));
  const points = Math.ceil(length / merged);
  const x = (i) => (points > 1 ? (i / (points - 1)) * (SPARK_WIDTH - 4) + 2 : SPARK_WIDTH / 2);
  const y = (value) => SPARK_HEIGHT - 2 - (value / highest) * (SPARK_HEIGHT - 4);
  let path = "";
  let pen = "M";
  for (let i = 0; i < points; i += 1) {
    const group = values.slice(i * merged, (i + 1) * merged).filter((v) => v !== null);
    if (group.length === 0) {
      pen = "M";
      continue;
    }
    path += `${pen}${x(i).toFixed(1)} ${y(Math.max(...group)).toFixed(1)}`;
    pen = "L";
  }
  // A point alone is a dot: a line of no length has round ends.
  line.append(svg("path", { d: path.replace(/M([^ML]+)(?=M|$)/g, "M$1L$1") }));
  for (let i = 0; i < points; i += 1) {
    if (marks.slice(i * merged, (i + 1) * merged).some((n) => n > 0)) {
      line.append(svg("path", { class: "bad", d: `M${x(i).toFixed(1)} ${SPARK_HEIGHT}v-3` }));
    }
  }
  return line;
}
