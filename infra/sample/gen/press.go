package main

import (
	"path"
	"slices"
)

// press publishes the street's newspaper: posts, and just before each the images,
// recordings and texts that it refers to.
func (b *book) press(c content) {
	for i, p := range c.Posts {
		b.post(c.Media, p, slot(0.01, 0.97, i, len(c.Posts), p.Name))
	}
	// What no post uses is published all the same.
	for i, img := range c.Media.Images {
		if _, used := b.known["image/"+img.Name]; !used {
			b.image("ines", img, slot(0.5, 0.9, i, len(c.Media.Images), img.Name))
		}
	}
}

func (b *book) post(m media, p post, height int64) publication {
	fields := b.attachments(m, p, height)
	return b.record(p.By, "post", p.Name, height, basic(p.Name, p.Description, height, p.Tags...), part{"post", fields})
}

// attachments publishes what a post refers to, unless an earlier one has, and
// returns the post's fields. The first image is the featured one.
func (b *book) attachments(m media, p post, height int64) map[string]any {
	fields := map[string]any{"webUrl": "https://harbourstreet.example/" + slug(p.Name)}
	for _, img := range m.Images {
		if _, known := b.known["image/"+img.Name]; !known && slices.Contains(p.Images, img.Name) {
			b.image(p.By, img, height-2)
		}
	}
	for _, a := range m.Audio {
		if _, known := b.known["audio/"+a.Name]; !known && slices.Contains(p.Audio, a.Name) {
			b.audio(p.By, a, height-2)
		}
	}
	for _, t := range m.Texts {
		if t.Name == p.Text {
			b.text(p.By, t.Name, t.Text, height-1)
			dids, _ := b.find("text", t.Name)
			fields["articleText"] = dids[0]
		}
	}
	if p.Text != "" && fields["articleText"] == nil {
		b.find("text", p.Text) // notes that there is none
	}
	images, _ := b.find("image", p.Images...)
	fields["imageItems"], fields["imageCaptionItems"] = images, p.Images
	if len(images) > 0 {
		fields["featuredImage"] = images[0]
	}
	fields["audioItems"], _ = b.find("audio", p.Audio...)
	fields["audioCaptionItems"] = p.Audio
	if p.Reply != "" {
		dids, _ := b.find("post", p.Reply)
		fields["replyTo"] = dids[0]
	}
	return fields
}

func (b *book) image(by string, img image, height int64) {
	kind := "image/jpeg"
	if path.Ext(img.File) == ".png" {
		kind = "image/png"
	}
	b.record(by, "image", img.Name, height, basic(img.Name, "", height, img.Tags...), part{"image", map[string]any{
		"webUrl": "https://media.harbourstreet.example/" + img.File, "filename": img.File, "contentType": kind,
		"size": img.Size, "width": img.Width, "height": img.Height,
	}})
}

func (b *book) audio(by string, a audio, height int64) {
	kind := map[string]string{".mp3": "audio/mpeg", ".flac": "audio/flac", ".opus": "audio/ogg"}[path.Ext(a.File)]
	b.record(by, "audio", a.Name, height, basic(a.Name, "", height, a.Tags...), part{"audio", map[string]any{
		"webUrl": "https://media.harbourstreet.example/" + a.File, "filename": a.File, "contentType": kind,
		"size": a.Size, "durationSec": a.Seconds, "audioCodec": a.Codec,
	}})
}

func (b *book) text(by, name, text string, height int64) {
	b.record(by, "text", name, height, basic(name, "", height), part{"text", map[string]any{
		"rawtext": text, "contentType": "text/plain", "size": len(text),
	}})
}

// slug is a name as the last part of a URL.
func slug(name string) string {
	var out []byte
	for _, r := range name {
		switch {
		case r >= 'A' && r <= 'Z':
			out = append(out, byte(r)+'a'-'A')
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			out = append(out, byte(r))
		case len(out) > 0 && out[len(out)-1] != '-':
			out = append(out, '-')
		}
	}
	return string(out)
}
