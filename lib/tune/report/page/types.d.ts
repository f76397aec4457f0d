/** Types of the page's scripts, which share one scope. They are checked, and shipped as they stand. */
/* eslint-disable @typescript-eslint/consistent-type-imports -- an import would end the one scope */
type Axis = import('../page-data').Axis;
type Head = import('../page-data').Head;
type Row = import('../page-data').Row;
type Plain = import('../page-data').Plain;
type Update = import('../feed').Update;

/** What the server put into the page. */
interface PageStart {
  readonly update: Update;
  /** Milliseconds between two questions for changes; 0: the page is a file and asks nobody. */
  readonly poll: number;
}

/** As much of ECharts as the page uses. */
interface Chart {
  setOption(option: object, how: { notMerge: boolean }): void;
  resize(): void;
  dispose(): void;
}
declare const echarts: {
  init(place: HTMLElement, theme: null, options: { renderer: 'svg' | 'canvas' }): Chart;
};
