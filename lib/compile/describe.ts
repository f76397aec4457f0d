/** A program's calls in words, by which two processes can tell whether they compute the same. */
import type { Operand } from '../graph/lowering';
import { clip } from '../options';
import type { Program } from './program';

/** A call: which layer it is of, and all that it is made of. */
export interface CallInWords {
  /** The op, and its layer: "linear 'head'". */
  readonly place: string;
  readonly text: string;
}

export function describeCalls(program: Program): CallInWords[] {
  const { lowered } = program;
  const operand = ({ dtype, dims }: Operand): string => `${dtype}[${dims.join()}]`;
  return lowered.calls.map(({ op, scope, kernel, attrs, inputs, outputs }) => ({
    place: scope === '' ? op : `${op} '${clip(scope)}'`,
    text: [kernel, JSON.stringify(attrs), ...[...inputs, ...outputs].map(operand)].join(' '),
  }));
}
