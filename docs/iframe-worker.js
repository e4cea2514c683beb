// A Worker for pages read as files, where browsers refuse real ones: the script runs in a hidden frame.
// The search of the site needs it (mkdocs-material's plugin "offline"); over http it does nothing.
class FrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    document.body.appendChild(this.frame);
    this.listener = (event) => {
      if (event.source === this.frame.contentWindow) {
        this.dispatchEvent(new MessageEvent("message", { data: event.data }));
      }
    };
    addEventListener("message", this.listener);
    const inside = this.frame.contentWindow;
    this.ready = new Promise((resolve) => {
      this.frame.onload = resolve;
    });
    inside.document.open();
    inside.document.write(
      `<script>
        postMessage = (data) => parent.postMessage(data, "*"); // a file has no origin to name
        importScripts = (...urls) => urls.reduce((last, url) => last.then(() => new Promise((done, failed) => {
          const script = document.createElement("script");
          Object.assign(script, { src: url, onload: done, onerror: failed });
          document.body.appendChild(script);
        })), Promise.resolve());
      <\/script><body><script src="${url}"><\/script></body>`
    );
    inside.document.close();
  }

  postMessage(data) {
    this.ready.then(() => {
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    });
  }

  terminate() {
    removeEventListener("message", this.listener);
    this.frame.remove();
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;
