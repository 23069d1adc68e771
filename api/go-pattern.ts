import { RE2JS } from 're2js';

/**
 * A regular expression in Go's syntax (RE2), as a function that finds it anywhere in a text. It takes time linear in the
 * text, whatever the expression: these come from users and are matched inside a webhook.
 *
 * @throws Error when it is no such expression; the message says why
 */
export function goPattern(expression: string): (text: string) => boolean {
  const compiled = RE2JS.compile(expression);
  return (text) => compiled.matcher(text).find();
}
