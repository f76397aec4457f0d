/** An objective that takes a moment, and says which process runs it. */
export default async function objective({ point }, trial) {
  console.log(JSON.stringify({ worker: process.pid, trial: trial.number }));
  for (let step = 1; step <= 4; step++) {
    await new Promise((done) => setTimeout(done, 30));
    await trial.report(step, point / step);
  }
  return (point - 70) ** 2;
}
