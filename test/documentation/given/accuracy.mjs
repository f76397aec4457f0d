// What an objective has measured.
export const accuracy = 0.5;
export { default } from './searched.mjs';
