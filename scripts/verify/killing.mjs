/** Searches in processes that are killed, and what must be left of them. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { childScript } from './process.mjs';

let state = 7;
/** From 0 to 1 (Lehmer 1951). */
export const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export const isAlive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/**
 * Starts a search of a grid (children/searching.mjs).
 * @returns its process; `workers`, which were last heard of; `begun`, the numbers of trials that began in
 *   them; `ended`, which resolves with its code and signal
 */
export function startSearch(place, { trials, workers: count }) {
  const args = [childScript('searching.mjs'), place, String(trials), String(count)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const workers = new Set();
  const begun = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { worker, trial } = JSON.parse(line);
    if (worker === undefined) return;
    workers.add(worker);
    begun.push(trial);
  });
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
  return { child, workers, begun, ended };
}

/** Whether each point of the grid was completed once and no trial is left open, and the figures of that. */
export function tally(study, points) {
  const { trials } = study;
  const done = trials.filter(({ state }) => state === 'complete');
  const tried = new Set(done.map(({ params }) => params.point));
  const lost = trials.filter(({ notes }) => notes['tenon:lost'] === true).length;
  const open = trials.filter(({ state }) => state === 'running' || state === 'waiting').length;
  return {
    complete: done.length,
    whole: tried.size === points && done.length === points && open === 0,
    figure: `${done.length} trials complete, ${tried.size} of ${points} points; ${lost} were lost; ${open} left open`,
  };
}
