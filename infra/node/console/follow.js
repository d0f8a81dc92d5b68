// Follower remembers which state of the index the lists on the page are of, and whether
// one of them could not be read since.
export class Follower {
  #shown = "";
  #failed = false;

  // failed is told of everything that could not be read.
  failed() {
    this.#failed = true;
  }

  // news takes a text that changes with the index. It is null while the page shows that
  // state; else its lists are old (first: they have never been asked for by a poll), and
  // must says that one of them is missing, whatever a reader is looking at.
  news(now) {
    if (now === this.#shown && !this.#failed) return null;
    const found = { first: this.#shown === "", must: this.#failed };
    this.#shown = now;
    this.#failed = false; // whatever fails from here on says so again
    return found;
  }
}
