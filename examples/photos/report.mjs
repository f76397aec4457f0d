/** How a model does on photographs that it has not seen. */

/** Prints a table, rows by the true class and columns by the answer, and the worst mistakes. */
export async function report(model, held) {
  const { classNames, labels } = held;
  const probabilities = await model.predict(held);
  const table = classNames.map(() => classNames.map(() => 0));
  const mistakes = [];
  labels.forEach((label, i) => {
    const row = probabilities.subarray(i * classNames.length, (i + 1) * classNames.length);
    const answer = row.indexOf(Math.max(...row));
    table[label][answer]++;
    if (answer !== label) mistakes.push({ file: held.file(i), answer, label, sure: row[answer] });
  });
  const width = Math.max(...classNames.map((name) => name.length), String(held.length).length) + 2;
  const line = (cells) => console.log(cells.map((cell) => String(cell).padStart(width)).join(''));
  console.log('\nrows: what it is; columns: what the model says');
  line(['', ...classNames]);
  table.forEach((row, i) => line([classNames[i], ...row]));
  console.log(`accuracy ${(1 - mistakes.length / held.length).toFixed(3)}`);
  if (mistakes.length > 0) console.log('\nthe worst mistakes:');
  for (const { file, answer, label, sure } of mistakes.sort((a, b) => b.sure - a.sure).slice(0, 10))
    console.log(`  ${file}: ${classNames[answer]} (${sure.toFixed(2)}), is ${classNames[label]}`);
}
