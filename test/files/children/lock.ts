/**
 * Tries for the lock of each directory that its parent names, and tells how each attempt ended; ends when it
 * is told to, without letting go.
 */
import { lockDirectory } from '../../../lib/files/directory-lock';

type Message = { readonly directory: string } | 'end';

process.on('message', (message: Message) => {
  if (message === 'end') process.exit(0);
  lockDirectory(message.directory, []).then(
    () => process.send?.('taken'),
    (error: unknown) => process.send?.((error as { code?: string }).code ?? String(error)),
  );
});
process.send?.('ready');
