/** What makes augmentations. Adding a family: its file, and a line below. */
export * from './geometric';
export * from './scale-crop';
export * from './erasing';
export * from './tone';
export * from './filters';
export * from './policies';
export * from './sample-pairing';
