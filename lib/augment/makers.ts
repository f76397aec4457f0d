/** What makes augmentations. Adding a family: its file, and a line below. */
export * from './geometric';
export * from './erasing';
export { randomScaleCrop, type RandomScaleCropOptions } from './windows';
export * from './tone';
export * from './filters';
export * from './policies';
