import { EventJournal } from '../src/events/event-journal.ts';

const [, , directory = '', name = '', count = ''] = process.argv;
const journal = new EventJournal({ directory });
for (let index = 0; index < Number(count); index += 1) {
  journal.append({ source: name, time: new Date(), event: [name, index] });
  if (index % 7 === 0) await journal.flush();
}
await journal.flush();
console.log('done');
setInterval(() => {}, 1000);
